#ifndef SEGMOE_PROCESSORS_H
#define SEGMOE_PROCESSORS_H

/// Processors that the calling thread may run on (taskset, cpusets); 0 if that cannot be told.
int segmoe_affinity_count(void);

#endif
