#ifndef SEGMOE_PRODUCT_AMX_H
#define SEGMOE_PRODUCT_AMX_H

#include <stddef.h>

/// Rows of a call of AMX's microkernels: two tiles.
enum { amx_rows = 32 };

/// `segmoe_microkernel`s for up to `amx_rows` rows, of rows and panels that are stored as for VDPBF16PS, and as for VNNI.
void segmoe_microkernel_amx_bf16(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                                 size_t pairs, float *sums);
void segmoe_microkernel_amx_int8(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                                 size_t quads, float *sums);

#endif
