#ifndef SEGMOE_MEMORY_H
#define SEGMOE_MEMORY_H

#include <stddef.h>

// Memory of tensors and packed weights. Large blocks are mapped pages of their own, so that freeing one
// gives just its pages back and a budget in bytes is one in resident pages: in a heap, blocks of many sizes
// leave holes. Freed blocks are kept for the next taker of that size, as long as live and kept
// ones stay within a limit together, because the kernel clears every page that it gives out. All functions may be called from any thread.

/// Blocks of at least this many bytes are pages of their own; smaller ones come from the heap.
#define SEGMOE_LARGE_BLOCK ((size_t)128 << 10)

/// Bytes now, in large and small blocks.
typedef struct {
  size_t live;  ///< taken and not given back
  size_t peak;  ///< the most that were live since `segmoe_memory_restart_peak`
  size_t spare; ///< given back and kept for the next taker
  size_t limit; ///< what live and spare bytes may be together before spare ones go back to the kernel
} segmoe_memory_state;

/// `bytes` of memory, aligned to 64; NULL if there is none. What is in it is not defined.
void *segmoe_memory_take(size_t bytes);

/// Gives back what `segmoe_memory_take` gave for as many bytes.
void segmoe_memory_give(void *block, size_t bytes);

/// Sees to it that there is address space of so many bytes for takers whom the kernel refuses. It takes no
/// memory until it is used. 1 if it is there.
int segmoe_memory_reserve(size_t bytes);

/// For a taker whom the kernel has refused: the reserve, which others may have at the same time, so that it is
/// safe to write to and what is in it is worthless; NULL if it is smaller. Counts a refusal.
void *segmoe_memory_take_reserve(size_t bytes);

/// Gives the reserve back, once for every time that it was taken.
void segmoe_memory_give_reserve(void);

/// Takers that were refused so far.
size_t segmoe_memory_refusals(void);

/// 1 if the kernel would give so much more memory now.
int segmoe_memory_available(size_t bytes);

/// Hands free pages of the C library's heap back to the kernel.
void segmoe_memory_trim_heap(void);

/// Bounds live and spare bytes together: spare ones above it go back to the kernel at once. Live ones are
/// never refused.
void segmoe_memory_set_limit(size_t bytes);

segmoe_memory_state segmoe_memory_now(void);

/// Peak from now on.
void segmoe_memory_restart_peak(void);

#endif
