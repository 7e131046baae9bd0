// Makes reading, writing, sending, syncing, renaming and taking memory fail, or kills the process in the middle of it. Loaded by
// LD_PRELOAD into the daemon and the client; compiled by the tests (FaultLibrary.swift).
//
// FAULTS holds rules with commas between:   CALL:PLACE:WHEN:WHAT
//   CALL   read (pread), write (also pwrite), send (its PLACE is socket), sync (fsync, fdatasync), rename (also link),
//          map (mmap of memory, a mebibyte or more; its PLACE is memory), take (of memory at a multiple of 64 bytes, as
//          small tensors have it; its PLACE is tensor), thread (pthread_create; its PLACE is thread)
//   PLACE  a part of the file's path (of the new one, for rename); with $ at the end, its last part;
//          PLACE~TEXT: only writes and sends whose bytes contain TEXT
//   WHEN   3: the third such call of this process; 3+: it and all after it; 3-5: the third to the fifth
//   WHAT   kill: SIGKILL before the call; after: SIGKILL after it; half: SIGKILL after half of a write;
//          short: half of a read or write, which is allowed; hang: never returns; stop: SIGSTOP before the call, which
//          is made once somebody sends SIGCONT; EIO, ENOSPC, EDQUOT, ENOMEM, EAGAIN: fails with that
// Each strike appends its rule as a line to the file FAULTS_LOG.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum call { READ, WRITE, SEND, SYNC, RENAME, MAP, TAKE, THREAD };
enum action { FAIL, KILL, KILL_AFTER, KILL_HALF, SHORT, HANG, STOP };

struct rule {
  char text[256];  // as given
  char place[96];
  char content[96];
  long first, last;
  atomic_long seen;
  enum call call;
  enum action action;
  int error;
};

static struct rule rules[16];
static int rule_count;

static void die_of(const char *rule) {
  // A rule that cannot be read must not pass for one that never strikes.
  dprintf(2, "faults: cannot read the rule '%s'\n", rule);
  _exit(99);
}

static void parse(struct rule *rule) {
  char copy[256], *rest = copy;
  strcpy(copy, rule->text);
  char *call = strsep(&rest, ":"), *place = strsep(&rest, ":");
  char *when = strsep(&rest, ":"), *what = strsep(&rest, ":");
  if (!what || rest || strlen(place) >= sizeof rule->place) die_of(rule->text);
  if (!strcmp(call, "read")) rule->call = READ;
  else if (!strcmp(call, "write")) rule->call = WRITE;
  else if (!strcmp(call, "send")) rule->call = SEND;
  else if (!strcmp(call, "sync")) rule->call = SYNC;
  else if (!strcmp(call, "rename")) rule->call = RENAME;
  else if (!strcmp(call, "map")) rule->call = MAP;
  else if (!strcmp(call, "take")) rule->call = TAKE;
  else if (!strcmp(call, "thread")) rule->call = THREAD;
  else die_of(rule->text);
  char *tilde = strchr(place, '~');
  if (tilde) {
    *tilde = 0;
    strcpy(rule->content, tilde + 1);
  }
  strcpy(rule->place, place);
  char *end;
  rule->first = rule->last = strtol(when, &end, 10);
  if (*end == '+') rule->last = 1L << 60;
  else if (*end == '-') rule->last = strtol(end + 1, NULL, 10);
  if (!strcmp(what, "kill")) rule->action = KILL;
  else if (!strcmp(what, "after")) rule->action = KILL_AFTER;
  else if (!strcmp(what, "half")) rule->action = KILL_HALF;
  else if (!strcmp(what, "short")) rule->action = SHORT;
  else if (!strcmp(what, "hang")) rule->action = HANG;
  else if (!strcmp(what, "stop")) rule->action = STOP;
  else if (!strcmp(what, "EIO")) rule->error = EIO;
  else if (!strcmp(what, "ENOSPC")) rule->error = ENOSPC;
  else if (!strcmp(what, "EDQUOT")) rule->error = EDQUOT;
  else if (!strcmp(what, "ENOMEM")) rule->error = ENOMEM;
  else if (!strcmp(what, "EAGAIN")) rule->error = EAGAIN;
  else die_of(rule->text);
}

__attribute__((constructor)) static void read_rules(void) {
  const char *given = getenv("FAULTS");
  while (given && *given && rule_count < 16) {
    const char *comma = strchrnul(given, ',');
    struct rule *rule = &rules[rule_count];
    if (comma - given >= (long)sizeof rule->text) die_of(given);
    memcpy(rule->text, given, comma - given);
    parse(rule);
    rule_count++;
    given = *comma ? comma + 1 : comma;
  }
}

static int is_place(const struct rule *rule, const char *path) {
  size_t length = strlen(rule->place), whole = strlen(path);
  if (!length || rule->place[length - 1] != '$') return strstr(path, rule->place) != NULL;
  length--;
  return whole >= length && !strncmp(path + whole - length, rule->place, length);
}

// The rule that strikes this call, or NULL. `path` is NULL where `descriptor` says it.
static struct rule *strike(enum call call, int descriptor, const char *path, const void *bytes, size_t count) {
  struct rule *found = NULL;
  char link[64], target[4096];
  for (int index = 0; index < rule_count; index++) {
    struct rule *rule = &rules[index];
    if (rule->call != call) continue;
    if (!path) {
      snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
      ssize_t length = readlink(link, target, sizeof target - 1);
      if (length < 0) return NULL;
      target[length] = 0;
      path = target;
    }
    if (!is_place(rule, path)) continue;
    if (*rule->content && !memmem(bytes, count, rule->content, strlen(rule->content))) continue;
    long number = atomic_fetch_add(&rule->seen, 1) + 1;
    if (number >= rule->first && number <= rule->last && !found) found = rule;
  }
  if (!found) return NULL;
  const char *log = getenv("FAULTS_LOG");
  int file = log ? (int)syscall(SYS_openat, AT_FDCWD, log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666) : -1;
  if (file >= 0) {
    char line[300];
    int length = snprintf(line, sizeof line, "%s\n", found->text);
    syscall(SYS_write, file, line, length);
    syscall(SYS_close, file);
  }
  if (found->action == KILL) raise(SIGKILL);
  if (found->action == HANG) {
    for (;;) pause();
  }
  if (found->action == STOP) {
    raise(SIGSTOP);
    return NULL;
  }
  return found;
}

// The function that would have been called without this file.
#define NEXT(name)                     \
  static __typeof__(&name) next;       \
  if (!next) next = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

// What a rule leaves of a call: its result, or death.
static ssize_t outcome(const struct rule *rule, ssize_t result) {
  if (rule->action == KILL_AFTER || rule->action == KILL_HALF) raise(SIGKILL);
  return result;
}

static int fails(const struct rule *rule) {
  if (rule && rule->action == FAIL) errno = rule->error;
  return rule && rule->action == FAIL;
}

static size_t share(const struct rule *rule, size_t count) {
  return rule->action == KILL_AFTER ? count : (count + 1) / 2;
}

ssize_t pread(int descriptor, void *bytes, size_t count, off_t offset) {
  NEXT(pread);
  struct rule *rule = strike(READ, descriptor, NULL, NULL, 0);
  if (fails(rule)) return -1;
  return rule ? outcome(rule, next(descriptor, bytes, share(rule, count), offset))
              : next(descriptor, bytes, count, offset);
}

ssize_t pread64(int descriptor, void *bytes, size_t count, off64_t offset) {
  return pread(descriptor, bytes, count, offset);
}

ssize_t write(int descriptor, const void *bytes, size_t count) {
  NEXT(write);
  struct rule *rule = strike(WRITE, descriptor, NULL, bytes, count);
  if (fails(rule)) return -1;
  return rule ? outcome(rule, next(descriptor, bytes, share(rule, count))) : next(descriptor, bytes, count);
}

ssize_t pwrite(int descriptor, const void *bytes, size_t count, off_t offset) {
  NEXT(pwrite);
  struct rule *rule = strike(WRITE, descriptor, NULL, bytes, count);
  if (fails(rule)) return -1;
  return rule ? outcome(rule, next(descriptor, bytes, share(rule, count), offset))
              : next(descriptor, bytes, count, offset);
}

ssize_t pwrite64(int descriptor, const void *bytes, size_t count, off64_t offset) {
  return pwrite(descriptor, bytes, count, offset);
}

// As libpq asks a server.
ssize_t send(int descriptor, const void *bytes, size_t count, int flags) {
  NEXT(send);
  struct rule *rule = strike(SEND, descriptor, NULL, bytes, count);
  if (fails(rule)) return -1;
  return rule ? outcome(rule, next(descriptor, bytes, share(rule, count), flags))
              : next(descriptor, bytes, count, flags);
}

int fsync(int descriptor) {
  NEXT(fsync);
  struct rule *rule = strike(SYNC, descriptor, NULL, NULL, 0);
  if (fails(rule)) return -1;
  return rule ? (int)outcome(rule, next(descriptor)) : next(descriptor);
}

int fdatasync(int descriptor) {
  NEXT(fdatasync);
  struct rule *rule = strike(SYNC, descriptor, NULL, NULL, 0);
  if (fails(rule)) return -1;
  return rule ? (int)outcome(rule, next(descriptor)) : next(descriptor);
}

int rename(const char *old, const char *new) {
  NEXT(rename);
  struct rule *rule = strike(RENAME, -1, new, NULL, 0);
  if (fails(rule)) return -1;
  return rule ? (int)outcome(rule, next(old, new)) : next(old, new);
}

// A further name counts as a renaming.
int link(const char *old, const char *new) {
  NEXT(link);
  struct rule *rule = strike(RENAME, -1, new, NULL, 0);
  if (fails(rule)) return -1;
  return rule ? (int)outcome(rule, next(old, new)) : next(old, new);
}

void *mmap(void *place, size_t bytes, int protection, int flags, int descriptor, off_t offset) {
  NEXT(mmap);
  // Address space alone is no memory.
  int counts = descriptor == -1 && bytes >= (size_t)1 << 20 && !(flags & MAP_NORESERVE);
  if (counts && fails(strike(MAP, -1, "memory", NULL, 0))) return MAP_FAILED;
  return next(place, bytes, protection, flags, descriptor, offset);
}

int posix_memalign(void **place, size_t alignment, size_t bytes) {
  NEXT(posix_memalign);
  // Swift's own memory is as well aligned sometimes, and to refuse it ends the process.
  Dl_info caller;
  int isSwifts = dladdr(__builtin_return_address(0), &caller) && strstr(caller.dli_fname, "libswift");
  // It returns its error.
  struct rule *rule = alignment == 64 && !isSwifts ? strike(TAKE, -1, "tensor", NULL, 0) : NULL;
  return fails(rule) ? rule->error : next(place, alignment, bytes);
}

int pthread_create(
    pthread_t *thread, const pthread_attr_t *attributes, void *(*body)(void *), void *argument) {
  NEXT(pthread_create);
  // It returns its error.
  struct rule *rule = strike(THREAD, -1, "thread", NULL, 0);
  return fails(rule) ? rule->error : next(thread, attributes, body, argument);
}
