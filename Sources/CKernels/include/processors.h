#ifndef SEGMOE_PROCESSORS_H
#define SEGMOE_PROCESSORS_H

/// Processors that the calling thread may run on (taskset, cpusets); 0 if that cannot be told.
int segmoe_affinity_count(void);

/// Tells the processor that the thread is looking for another's doing.
static inline void segmoe_pause(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#endif
}

/// Bytes of a processor's second-level cache; 0 if that cannot be told.
long segmoe_second_cache_bytes(void);

#endif
