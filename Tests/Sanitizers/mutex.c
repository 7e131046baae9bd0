// Tells the thread sanitizer about Synchronization.Mutex. The way without contention is compiled into the program,
// where the sanitizer sees it; the slow way is in the toolchain's library, which is not instrumented, so that every
// contended mutex would look like a race. Loaded by LD_PRELOAD (scripts/sanitize). The symbols are Swift's, under
// Swift's calling convention: `_MutexHandle._lockSlow(_: UInt32)` and `_MutexHandle._unlockSlow()`.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

#define SWIFT __attribute__((swiftcall))
#define SELF __attribute__((swift_context)) void *self
#define LOCK "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

// Absent in programs without the sanitizer.
extern void __tsan_acquire(void *) __attribute__((weak));
extern void __tsan_release(void *) __attribute__((weak));

SWIFT void lock_slow(uint32_t thread, SELF) __asm__(LOCK);
SWIFT void unlock_slow(SELF) __asm__(UNLOCK);
typedef SWIFT void (*lock_method)(uint32_t, SELF);
typedef SWIFT void (*unlock_method)(SELF);

SWIFT void lock_slow(uint32_t thread, SELF) {
  lock_method next = (lock_method)dlsym(RTLD_NEXT, LOCK);
  next(thread, self);
  if (__tsan_acquire) __tsan_acquire(self);
}

SWIFT void unlock_slow(SELF) {
  unlock_method next = (unlock_method)dlsym(RTLD_NEXT, UNLOCK);
  if (__tsan_release) __tsan_release(self);
  next(self);
}
