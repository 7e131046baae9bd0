#ifndef SEGMOE_PRODUCT_NEON_H
#define SEGMOE_PRODUCT_NEON_H

#include <stddef.h>

/// `segmoe_microkernel`s: in int8 of 16-bit rows, by SDOT of rows of bytes as for VNNI, and by BFDOT of rows of pairs as for
/// VDPBF16PS.
void segmoe_microkernel_neon_int8(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                                  size_t quads, float *sums);
void segmoe_microkernel_neon_dot(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                                 size_t quads, float *sums);
void segmoe_microkernel_neon_bf16(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                                  size_t pairs, float *sums);

#endif
