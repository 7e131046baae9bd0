#ifndef SEGMOE_SCRATCH_H
#define SEGMOE_SCRATCH_H

#include <stddef.h>

/// Scratch memory of the calling thread, aligned to 64, valid while a kernel runs. It grows to the largest size that
/// was asked for, is kept for the next task, and is freed with the thread. Its contents are undefined. NULL if there is
/// no memory.
void *segmoe_thread_scratch(size_t bytes);

#endif
