#ifndef SEGMOE_SCRATCH_H
#define SEGMOE_SCRATCH_H

#include <stddef.h>

/// Memory of the calling thread alone, aligned to 64, for as long as a kernel runs: it grows to the largest size that
/// was asked for, stays for the next task and goes with the thread. What is in it is not defined. NULL if there is no
/// memory for it.
void *segmoe_thread_scratch(size_t bytes);

#endif
