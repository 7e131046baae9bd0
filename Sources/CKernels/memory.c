#include "memory.h"
#include <stdlib.h>

#if defined(__GLIBC__)
#include <malloc.h>

void segmoe_keep_freed_pages(void) {
  mallopt(M_MMAP_THRESHOLD, 1 << 30);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
}
#else
void segmoe_keep_freed_pages(void) {}
#endif
