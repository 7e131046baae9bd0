#define _GNU_SOURCE
#include "memory.h"
#include <malloc.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

// Sizes are rounded up to whole pages. Rounding up further would waste memory in each of a model's hundreds of parts.
static const size_t granule = (size_t)1 << 12;
// A huge page is cleared faster than its 512 small ones, and costs one page fault instead of 512.
static const size_t huge = (size_t)2 << 20;

enum { most_free_blocks = 1024 };

typedef struct {
  void *base;
  size_t bytes;
} block;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
// Freed blocks, the longest unused first.
static block free_blocks[most_free_blocks];
static size_t free_count = 0;
static segmoe_memory_state state = {0, 0, SIZE_MAX, SIZE_MAX};

static size_t rounded(size_t bytes) {
  return (bytes + granule - 1) / granule * granule;
}

static block remove_free(size_t index) {
  block found = free_blocks[index];
  for (size_t i = index + 1; i < free_count; i++) free_blocks[i - 1] = free_blocks[i];
  free_count--;
  state.spare -= found.bytes;
  return found;
}

// The latest freed block of exactly that size: its pages may still be in a processor's cache.
static void *take_free(size_t bytes) {
  for (size_t i = free_count; i > 0; i--) {
    if (free_blocks[i - 1].bytes == bytes) return remove_free(i - 1).base;
  }
  return NULL;
}

// Gives freed blocks back to the kernel until both limits are kept.
static void keep_limit(void) {
  while (free_count > 0 && (state.live + state.spare > state.limit || state.spare > state.spare_limit)) {
    block oldest = remove_free(0);
    munmap(oldest.base, oldest.bytes);
  }
}

// Gives all freed blocks back, because the kernel may need this memory.
static void give_up_spare(void) {
  pthread_mutex_lock(&lock);
  while (free_count > 0) {
    block oldest = remove_free(0);
    munmap(oldest.base, oldest.bytes);
  }
  pthread_mutex_unlock(&lock);
}

static void count(size_t bytes) {
  state.live += bytes;
  keep_limit();
}

// New pages for a block. Its whole huge pages lie where the processor wants them, so a block never takes more than its
// bytes. What is left of it, less than a huge page, comes in one call: a block is about to be written to as a whole, and
// each page that is touched first by a kernel would stop it.
static void *map_block(size_t size) {
  size_t extra = size >= huge && size <= SIZE_MAX - huge ? huge - granule : 0;
  char *base = mmap(NULL, size + extra, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED && extra) {
    // The block itself may have room all the same.
    extra = 0;
    base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  }
  if (base == MAP_FAILED) return NULL;
  size_t before = extra ? (huge - (uintptr_t)base % huge) % huge : 0;
  if (before) munmap(base, before);
  base += before;
  if (extra > before) munmap(base + size, extra - before);
  size_t whole = size / huge * huge;
#ifdef MADV_HUGEPAGE
  if (whole) madvise(base, whole, MADV_HUGEPAGE);
#endif
#ifdef MADV_POPULATE_WRITE
  // An older kernel refuses; then the pages come one by one.
  if (size > whole) madvise(base + whole, size - whole, MADV_POPULATE_WRITE);
#endif
  return base;
}

void *segmoe_memory_take(size_t bytes) {
  if (bytes < SEGMOE_LARGE_BLOCK) {
    void *base = NULL;
    if (posix_memalign(&base, 64, bytes ? bytes : 1)) return NULL;
    pthread_mutex_lock(&lock);
    count(bytes);
    pthread_mutex_unlock(&lock);
    return base;
  }
  size_t size = rounded(bytes);
  if (size < bytes) return NULL;
  pthread_mutex_lock(&lock);
  void *base = take_free(size);
  // The block is counted before it exists, so that spare blocks are given back before new pages are taken.
  count(size);
  pthread_mutex_unlock(&lock);
  if (base) return base;
  base = map_block(size);
  if (!base) {
    give_up_spare();
    base = map_block(size);
  }
  if (!base) {
    pthread_mutex_lock(&lock);
    state.live -= size;
    pthread_mutex_unlock(&lock);
    return NULL;
  }
  return base;
}

void segmoe_memory_give(void *base, size_t bytes) {
  if (!base) return;
  if (bytes < SEGMOE_LARGE_BLOCK) {
    pthread_mutex_lock(&lock);
    state.live -= bytes;
    pthread_mutex_unlock(&lock);
    free(base);
    return;
  }
  size_t size = rounded(bytes);
  pthread_mutex_lock(&lock);
  state.live -= size;
  if (free_count == most_free_blocks) {
    block oldest = remove_free(0);
    munmap(oldest.base, oldest.bytes);
  }
  free_blocks[free_count++] = (block){base, size};
  state.spare += size;
  keep_limit();
  pthread_mutex_unlock(&lock);
}

// The reserve: address space for callers whom the kernel refuses. It has no pages until it is written to. Several
// callers share it, so its contents are garbage.
static void *reserve_base = NULL;
static size_t reserve_bytes = 0;
static size_t reserve_takers = 0;
// Whether it was ever taken. Scratch memory has it longer than it says.
static int reserve_was_taken = 0;
static size_t refusals = 0;

int segmoe_memory_reserve(size_t bytes) {
  size_t size = rounded(bytes);
  if (size < bytes) return 0;
  pthread_mutex_lock(&lock);
  int there = size <= reserve_bytes;
  // A reserve that is in use cannot be replaced. The next plan makes it larger.
  if (!there && reserve_takers == 0) {
    // A render beside this one may still write to one that was taken. It has no pages worth mentioning.
    if (reserve_base && !reserve_was_taken) munmap(reserve_base, reserve_bytes);
    reserve_was_taken = 0;
    void *base =
        mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    there = base != MAP_FAILED;
    reserve_base = there ? base : NULL;
    reserve_bytes = there ? size : 0;
  }
  pthread_mutex_unlock(&lock);
  return there;
}

void *segmoe_memory_take_reserve(size_t bytes) {
  pthread_mutex_lock(&lock);
  void *base = reserve_base && bytes <= reserve_bytes ? reserve_base : NULL;
  refusals++;
  if (base) {
    reserve_takers++;
    reserve_was_taken = 1;
  }
  pthread_mutex_unlock(&lock);
  return base;
}

void segmoe_memory_give_reserve(void) {
  pthread_mutex_lock(&lock);
  if (--reserve_takers == 0) madvise(reserve_base, reserve_bytes, MADV_DONTNEED);
  pthread_mutex_unlock(&lock);
}

size_t segmoe_memory_refusals(void) {
  pthread_mutex_lock(&lock);
  size_t count = refusals;
  pthread_mutex_unlock(&lock);
  return count;
}

int segmoe_memory_available(size_t bytes) {
  if (bytes == 0) return 1;
  void *base = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (base == MAP_FAILED) return 0;
  munmap(base, bytes);
  return 1;
}

// The C library keeps freed memory by rules of its own. After the first large block is freed, it takes large blocks
// from its heap. There, small live blocks keep freed large ones from going back to the kernel. Under a limit,
// everything of some size must go back when it is freed.
static void give_back_at_once(void) {
#if defined(__GLIBC__)
  mallopt(M_MMAP_THRESHOLD, 128 << 10);
  mallopt(M_TRIM_THRESHOLD, 1 << 20);
#endif
}

void segmoe_memory_trim_heap(void) {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

void segmoe_memory_set_limit(size_t bytes, size_t spare) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  if (bytes != SIZE_MAX) pthread_once(&once, give_back_at_once);
  pthread_mutex_lock(&lock);
  state.limit = bytes;
  state.spare_limit = spare;
  keep_limit();
  pthread_mutex_unlock(&lock);
}

segmoe_memory_state segmoe_memory_now(void) {
  pthread_mutex_lock(&lock);
  segmoe_memory_state now = state;
  pthread_mutex_unlock(&lock);
  return now;
}
