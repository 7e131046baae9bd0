// Scratch memory that stays with its thread. If each task allocated its half megabyte anew, it would get fresh pages
// each time, and the page faults would take longer than the computation.
#include "scratch.h"
#include "memory.h"
#include <pthread.h>
#include <stdlib.h>

typedef struct scratch {
  void *base;
  size_t bytes;
} scratch;

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int has_key;

static void give_back(void *pointer) {
  scratch *mine = pointer;
  segmoe_memory_give(mine->base, mine->bytes);
  free(mine);
}

static void make_key(void) { has_key = pthread_key_create(&key, give_back) == 0; }

void *segmoe_thread_scratch(size_t bytes) {
  pthread_once(&once, make_key);
  if (!has_key) return NULL;
  scratch *mine = pthread_getspecific(key);
  if (mine == NULL) {
    mine = calloc(1, sizeof *mine);
    if (mine == NULL) return NULL;
    if (pthread_setspecific(key, mine) != 0) return free(mine), NULL;
  }
  if (mine->base == NULL || mine->bytes < bytes) {
    segmoe_memory_give(mine->base, mine->bytes);
    mine->base = segmoe_memory_take(bytes);
    mine->bytes = mine->base == NULL ? 0 : bytes;
  }
  return mine->base;
}
