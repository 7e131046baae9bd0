#define _GNU_SOURCE
#include "processors.h"
#if defined(__linux__)
#include <pthread.h>
#include <sched.h>
#include <unistd.h>

int segmoe_affinity_count(void) {
  // Room for 8192 processors: the kernel refuses a set smaller than its own.
  unsigned long set[8192 / (8 * sizeof(unsigned long))] = {0};
  if (sched_getaffinity(0, sizeof set, (cpu_set_t *)set) != 0) return 0;
  int count = 0;
  for (unsigned i = 0; i < sizeof set / sizeof *set; i++) count += __builtin_popcountl(set[i]);
  return count;
}

void segmoe_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }
#else
int segmoe_affinity_count(void) { return 0; }
void segmoe_name_thread(const char *name) { (void)name; }
#endif

long segmoe_second_cache_bytes(void) {
#if defined(_SC_LEVEL2_CACHE_SIZE)
  const long bytes = sysconf(_SC_LEVEL2_CACHE_SIZE);
  return bytes > 0 ? bytes : 0;
#else
  return 0;
#endif
}
