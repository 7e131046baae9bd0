// Many daemons at once, as a server sees them: each has a connection of its own, and calls what a daemon calls, with the
// statements that PostgresSession has. One thread and one epoll for all of them.
//
//   load ADDRESS STATEMENTS NODES SECONDS DEPTH POSTMASTER BOUNCER
//
// STATEMENTS has lines "name<tab>statement"; POSTMASTER and BOUNCER are process numbers whose processor time is told, 0 for
// none. CLAIM, BEAT and REPORT are seconds between two of each, 0 for never; WARM_UP those before what counts. DEPTH jobs are queued,
// and stay so many: what is claimed is enqueued anew once a second, from a thread of its own.
#define _GNU_SOURCE
#include <errno.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "due.h"
#include "processor_time.h"

// What a node may ask for, and with how many values.
enum { SIGN_ON, BEAT, REPORT, CLAIM, UPKEEP, ANNOUNCE, FINISH, KINDS };
static const struct { const char *name; int values; } kinds[KINDS] = {
    [SIGN_ON] = {"sign_on", 9},    [BEAT] = {"beat", 5},    [REPORT] = {"report_progress", 8},
    [CLAIM] = {"claim_job", 8},    [UPKEEP] = {"keep_up", 2}, [ANNOUNCE] = {"announce_image", 13},
    [FINISH] = {"finish_job", 11}};
static char *statements[KINDS];
// How many values each takes; the last ones may be left out.
static int taken[KINDS];

// What follows what: a picture gets its name, its job ends, and the daemon claims the next. The claim's answer says whether there
// is other work: upkeep, of which nobody looks after it here, and pictures of failed jobs or wanted sources, of which there are none.
static const int cycle[] = {ANNOUNCE, FINISH, CLAIM, UPKEEP, BEAT};
enum { CYCLE = sizeof cycle / sizeof *cycle };

struct node {
  PGconn *link;
  char name[16], start[24], job[24], token[24];
  int kind;   // what is asked for now; -1: nothing
  int place;  // in the cycle; -1: in none
  bool wants_cycle, wants_beat, wants_report, wants_upkeep;
  double sent;
};
static struct node *nodes;
static int node_count;
static int poller;

static _Noreturn void fail(const char *what, const char *why) {
  fprintf(stderr, "load: %s: %s\n", what, why);
  exit(1);
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

// How long each call took, in milliseconds.
static struct { double *times; size_t count, room; } measured[KINDS];
static bool measures;
static atomic_long claimed, missed;

static void note(int kind, double milliseconds) {
  if (!measures) return;
  if (measured[kind].count == measured[kind].room) {
    measured[kind].room = measured[kind].room * 2 + 1024;
    measured[kind].times = realloc(measured[kind].times, measured[kind].room * sizeof(double));
    if (!measured[kind].times) fail("times", "no memory");
  }
  measured[kind].times[measured[kind].count++] = milliseconds;
}

static int by_size(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double share(int kind, double part) {
  size_t count = measured[kind].count;
  return count ? measured[kind].times[(size_t)(part * (double)(count - 1))] : 0;
}

static void ask(struct node *node, int kind) {
  static const char digest[] = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
  static const char lease[] = "60000";
  char jobs[32], tokens[32], path[64], pictures[400];
  bool has_job = node->job[0] != 0;
  snprintf(jobs, sizeof jobs, "{%s}", node->job);
  snprintf(tokens, sizeof tokens, "{%s}", has_job ? node->token : "");
  snprintf(path, sizeof path, "/shared/pictures/1/%s-0.png", node->job);
  const char *values[16] = {0};
#define VALUES(...) memcpy(values, (const char *[]){__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}))
  switch (kind) {
    case SIGN_ON: VALUES(node->name, "1", node->name, NULL, "1", "1/avx2", "a node", "a node", "0"); break;
    case BEAT: VALUES(node->name, node->start, jobs, tokens, lease); break;
    case REPORT: VALUES(node->job, node->token, "0", "denoising", "7", "25", "4.0", NULL); break;
    case UPKEEP:
      node->wants_upkeep = false;
      VALUES(lease, "120000");
      break;
    case CLAIM:
      snprintf(node->token, sizeof node->token, "%lld", (long long)(random() << 31 | random()) + 1);
      VALUES(node->name, node->start, node->token, lease, "1/avx2", "{demo}", "{}", "{}");
      break;
    case ANNOUNCE:
      VALUES(node->job, node->token, "0", "25", "d", path, "17", "512", "512", digest, "300000", "97.5", "1/avx2");
      break;
    case FINISH:
      snprintf(pictures, sizeof pictures,
               "[{\"number\":0,\"path\":\"%s\",\"seed\":17,\"width\":512,\"height\":512,\"digest\":\"%s\",\"bytes\":300000,"
               "\"seconds\":97.5,\"numerics\":\"1/avx2\"}]", path, digest);
      VALUES(node->job, node->token, pictures, "d", "100", "10", "0", "0", "1000000", "12", "4000000000");
      break;
  }
  node->kind = kind;
  node->sent = now();
  if (!PQsendQueryParams(node->link, statements[kind], taken[kind], NULL, values, NULL, NULL, 0))
    fail(kinds[kind].name, PQerrorMessage(node->link));
  while (PQflush(node->link) == 1) {}
}

// The next thing that a node is to do, if it has nothing to do.
static void proceed(struct node *node) {
  if (node->kind >= 0) return;
  if (node->place >= 0 && ++node->place == CYCLE) node->place = -1;
  if (node->place < 0 && node->wants_cycle) {
    node->wants_cycle = false;
    node->place = 0;
  }
  // Who has no job has none to end.
  if (node->place == 0 && !node->job[0]) node->place = 2;
  if (node->place >= 0 && cycle[node->place] == UPKEEP && !node->wants_upkeep) node->place++;
  if (node->place >= 0) return ask(node, cycle[node->place]);
  if (node->wants_beat) {
    node->wants_beat = false;
    return ask(node, BEAT);
  }
  if (node->wants_report && node->job[0]) {
    node->wants_report = false;
    return ask(node, REPORT);
  }
}

// The number behind a key of an object.
static long number(const char *object, const char *key) {
  const char *found = strstr(object, key);
  if (!found) fail(key, object);
  return atol(found + strlen(key));
}

static void learn(struct node *node, PGresult *result) {
  int kind = node->kind;
  if (PQresultStatus(result) != PGRES_TUPLES_OK) fail(kinds[kind].name, PQresultErrorMessage(result));
  if (kind == SIGN_ON) snprintf(node->start, sizeof node->start, "%s", PQgetvalue(result, 0, 0));
  if (kind == FINISH) {
    if (strcmp(PQgetvalue(result, 0, 0), "done") != 0) fail("finish_job", PQgetvalue(result, 0, 0));
    node->job[0] = 0;
  }
  if (kind == CLAIM) {
    if (!PQgetisnull(result, 0, 0)) {
      const char *job = PQgetvalue(result, 0, 0);
      snprintf(node->job, sizeof node->job, "%ld", number(job, "\"id\":"));
      long chores = number(job, "\"chores\" : ");
      if (chores & ~1) fail("chores", "there is work that nobody made");
      node->wants_upkeep = chores & 1;
      atomic_fetch_add(&claimed, 1);
    } else {
      atomic_fetch_add(&missed, 1);
    }
  }
  if (kind == BEAT && node->job[0] && PQntuples(result) != 1) fail("beat", "a lease is lost");
}

static void hear(struct node *node) {
  if (!PQconsumeInput(node->link)) fail("a connection", PQerrorMessage(node->link));
  if (node->kind < 0 || PQisBusy(node->link)) return;
  PGresult *result;
  int kind = node->kind;
  while ((result = PQgetResult(node->link))) {
    learn(node, result);
    PQclear(result);
  }
  note(kind, (now() - node->sent) * 1000);
  node->kind = -1;
  proceed(node);
}

// Lets answers come in until a time, or until all are there.
static void listen_until(double end, bool until_all) {
  struct epoll_event events[256];
  while (now() < end) {
    while (heap_count && heap[0].at <= now()) {
      struct due due = pop();
      struct node *node = &nodes[due.node];
      const char *name = due.what == 'c' ? "CLAIM" : due.what == 'b' ? "BEAT" : "REPORT";
      if (due.what == 'c') node->wants_cycle = true;
      if (due.what == 'b') node->wants_beat = true;
      if (due.what == 'r') node->wants_report = true;
      push(due.at + atof(getenv(name)), due.node, due.what);
      proceed(node);
    }
    int found = epoll_wait(poller, events, 256, 1);
    for (int i = 0; i < found; i++) hear(&nodes[events[i].data.u32]);
    if (!until_all) continue;
    bool busy = false;
    for (int i = 0; i < node_count && !busy; i++) busy = nodes[i].kind >= 0;
    if (!busy) return;
  }
  if (until_all) fail("answers", "they do not come");
}

static PGconn *open_link(const char *address) {
  PGconn *link = PQconnectdb(address);
  if (PQstatus(link) != CONNECTION_OK) fail("a connection", PQerrorMessage(link));
  return link;
}

static void plain(PGconn *link, const char *statement) {
  PGresult *result = PQexec(link, statement);
  ExecStatusType status = PQresultStatus(result);
  if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) fail(statement, PQerrorMessage(link));
  PQclear(result);
}

// Puts jobs in, as an enqueue does.
static void enqueue(PGconn *link, long many) {
  char statement[1200];
  snprintf(statement, sizeof statement,
           "WITH b AS MATERIALIZED (SELECT * FROM begin_batch(NULL, NULL, NULL, %ld, %ld, NULL, NULL, 0::smallint)) "
           "INSERT INTO jobs (id, batch, created_at, model, prompt, width, height, steps, guidance, seed, count, precision) "
           "SELECT n, b.id, b.created_at, 'demo', 'a red fox in the snow, number ' || n, 512, 512, 25, 7.5, n, 1, 'f32' "
           "FROM b, generate_series(b.first_job, b.last_job) n",
           random() << 31 | random(), many);
  plain(link, "BEGIN");
  plain(link, statement);
  plain(link, "SELECT end_batch((SELECT max(id) FROM batches), 'jobs', '{}', '{}')");
  plain(link, "COMMIT");
}

static atomic_bool is_over;

static void *refill(void *address) {
  PGconn *link = open_link(address);
  long known = atomic_load(&claimed);
  while (!atomic_load(&is_over)) {
    sleep(1);
    long current = atomic_load(&claimed);
    if (current > known) enqueue(link, current - known);
    known = current;
  }
  PQfinish(link);
  return NULL;
}

static void read_statements(const char *path) {
  FILE *file = fopen(path, "r");
  if (!file) fail(path, strerror(errno));
  char *line = NULL;
  size_t room = 0;
  while (getline(&line, &room, file) > 0) {
    char *tab = strchr(line, '\t');
    if (!tab) continue;
    *tab = 0;
    tab[strcspn(tab + 1, "\n") + 1] = 0;
    for (int k = 0; k < KINDS; k++)
      if (strcmp(kinds[k].name, line) == 0) statements[k] = strdup(tab + 1);
  }
  free(line);
  fclose(file);
  for (int k = 0; k < KINDS; k++) {
    for (const char *p = statements[k]; p && (p = strchr(p, '$')); p++)
      if (atoi(p + 1) > taken[k]) taken[k] = atoi(p + 1);
    if (taken[k] < 1 || taken[k] > kinds[k].values) fail(kinds[k].name, "the statement takes other values than this program gives");
  }
}

int main(int count, char **arguments) {
  if (count != 8) fail("arguments", "ADDRESS STATEMENTS NODES SECONDS DEPTH POSTMASTER BOUNCER");
  char *address = arguments[1];
  read_statements(arguments[2]);
  node_count = atoi(arguments[3]);
  double seconds = atof(arguments[4]);
  long depth = atol(arguments[5]);
  int postmaster = atoi(arguments[6]), bouncer = atoi(arguments[7]);
  double pause[4];
  const char *names[4] = {"CLAIM", "BEAT", "REPORT", "WARM_UP"};
  for (int i = 0; i < 4; i++) {
    if (!getenv(names[i])) fail(names[i], "not set");
    pause[i] = atof(getenv(names[i]));
  }
  struct rlimit files;
  getrlimit(RLIMIT_NOFILE, &files);
  files.rlim_cur = files.rlim_max;
  setrlimit(RLIMIT_NOFILE, &files);
  if (files.rlim_cur < (rlim_t)node_count + 50) fail("files", "ulimit -n allows less than one for each node");
  srandom(17);

  PGconn *client = open_link(address);
  // A job for each at once, and those that wait.
  enqueue(client, depth + node_count);
  plain(client, "VACUUM ANALYZE");
  PQfinish(client);

  nodes = calloc((size_t)node_count, sizeof *nodes);
  heap = calloc((size_t)node_count * 3 + 1, sizeof *heap);
  poller = epoll_create1(EPOLL_CLOEXEC);
  if (!nodes || !heap || poller < 0) fail("nodes", strerror(errno));
  for (int i = 0; i < node_count; i++) nodes[i].kind = nodes[i].place = -1;
  for (int i = 0; i < node_count; i++) {
    struct node *node = &nodes[i];
    snprintf(node->name, sizeof node->name, "node-%d", i);
    node->link = open_link(address);
    PQsetnonblocking(node->link, 1);
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = (uint32_t)i};
    if (epoll_ctl(poller, EPOLL_CTL_ADD, PQsocket(node->link), &event) < 0) fail("epoll", strerror(errno));
    ask(node, SIGN_ON);
    if (i % 64 == 63) listen_until(now() + 60, true);
  }
  listen_until(now() + 60, true);
  for (int i = 0; i < node_count; i++) {
    nodes[i].wants_cycle = true;
    proceed(&nodes[i]);
    if (i % 16 == 15) listen_until(now() + 60, true);
  }
  listen_until(now() + 60, true);
  if (atomic_load(&missed)) fail("claim_job", "it finds nothing, and something is queued");

  pthread_t refiller;
  if (pthread_create(&refiller, NULL, refill, address) != 0) fail("a thread", "it does not start");
  double begun = now();
  for (int i = 0; i < node_count; i++) {
    const char what[3] = {'c', 'b', 'r'};
    for (int j = 0; j < 3; j++)
      if (pause[j] > 0) push(begun + pause[j] * (double)random() / RAND_MAX, i, what[j]);
  }
  // The caches of the connections are warm then.
  listen_until(begun + pause[3], false);
  measures = true;
  begun = now();
  long before = atomic_load(&claimed);
  double server = processor_seconds(postmaster, true), pooler = processor_seconds(bouncer, false);
  double self = processor_seconds(getpid(), false);
  listen_until(begun + seconds, false);
  double took = now() - begun;
  server = (processor_seconds(postmaster, true) - server) / took;
  pooler = (processor_seconds(bouncer, false) - pooler) / took;
  self = (processor_seconds(getpid(), false) - self) / took;
  atomic_store(&is_over, true);
  pthread_join(refiller, NULL);

  printf("%-16s %8s %9s %9s %9s\n", "call", "a second", "p50 ms", "p99 ms", "max ms");
  for (int k = 0; k < KINDS; k++) {
    if (!measured[k].count) continue;
    qsort(measured[k].times, measured[k].count, sizeof(double), by_size);
    printf("%-16s %8.1f %9.2f %9.2f %9.2f\n", kinds[k].name, (double)measured[k].count / took, share(k, 0.5),
           share(k, 0.99), share(k, 1));
  }
  printf("cores: PostgreSQL %.2f, pgbouncer %.2f, this load %.2f\n", server, pooler, self);
  printf("claims at depth %ld: %ld, nothing found %ld, p50 %.3f ms, p99 %.3f ms, PostgreSQL %.3f cores\n", depth,
         atomic_load(&claimed) - before, atomic_load(&missed), share(CLAIM, 0.5), share(CLAIM, 0.99), server);
  return 0;
}
