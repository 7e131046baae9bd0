#ifndef SEGMOE_PROCESSORS_H
#define SEGMOE_PROCESSORS_H

/// Processors that the calling thread may run on (taskset, cpusets); 0 if unknown.
int segmoe_affinity_count(void);

/// Names the calling thread, for debuggers and `top`: at most 15 bytes.
void segmoe_name_thread(const char *name);

/// Tells the processor that this thread is in a spin loop.
static inline void segmoe_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Bytes of a processor's second-level cache; 0 if unknown.
long segmoe_second_cache_bytes(void);

#endif
