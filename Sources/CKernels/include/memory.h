#ifndef SEGMOE_MEMORY_H
#define SEGMOE_MEMORY_H

/// Tells the C library to keep freed memory for the next activation instead of handing its pages
/// back to the kernel, which would have to clear them again. Does nothing where it isn't glibc.
void segmoe_keep_freed_pages(void);

#endif
