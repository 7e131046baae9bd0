#ifndef SEGMOE_MEMORY_H
#define SEGMOE_MEMORY_H

#include <stddef.h>

// Memory of tensors and packed weights. Each large block is a mapping of its own. Freeing it gives all of its pages
// back, so a budget in bytes is a budget in resident pages. (A heap with blocks of many sizes would leave holes.) The
// kernel clears every page that it gives out, which takes time. So freed blocks are kept for the next caller who wants
// that size, as long as live and kept blocks together stay within a limit. All functions may be called from any thread.

/// Blocks of at least this many bytes are mappings of their own; smaller ones come from the heap.
#define SEGMOE_LARGE_BLOCK ((size_t)128 << 10)

/// Bytes in large and small blocks.
typedef struct {
  size_t live;  ///< in use
  size_t spare; ///< freed and kept for the next caller
  size_t limit; ///< the most that live and spare bytes may be together; spare ones above it go back to the kernel
  size_t spare_limit; ///< the most that spare bytes may be
} segmoe_memory_state;

/// `bytes` of memory, aligned to 64; NULL if there is none. Its contents are undefined.
void *segmoe_memory_take(size_t bytes);

/// Frees a block of `segmoe_memory_take`; `bytes` as it was taken.
void segmoe_memory_give(void *block, size_t bytes);

/// Sets aside a reserve: address space of so many bytes for callers whom the kernel refuses. It takes no
/// memory until it is used. Returns 1 if it is there.
int segmoe_memory_reserve(size_t bytes);

/// The reserve, for a caller whom the kernel has refused. Several callers share it. It is safe to write to, but its
/// contents are garbage. NULL if it is smaller than `bytes`. Counts a refusal.
void *segmoe_memory_take_reserve(size_t bytes);

/// Gives the reserve back, once for every time that it was taken.
void segmoe_memory_give_reserve(void);

/// How many callers were refused so far.
size_t segmoe_memory_refusals(void);

/// 1 if the kernel would give so much more memory now.
int segmoe_memory_available(size_t bytes);

/// Hands free pages of the C library's heap back to the kernel.
void segmoe_memory_trim_heap(void);

/// Bounds live and spare bytes together, and spare ones alone. Spare ones above a bound go back to the kernel at once.
/// Live ones are never refused. SIZE_MAX: no bound.
void segmoe_memory_set_limit(size_t bytes, size_t spare);

segmoe_memory_state segmoe_memory_now(void);

#endif
