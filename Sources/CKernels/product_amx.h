#ifndef SEGMOE_PRODUCT_AMX_H
#define SEGMOE_PRODUCT_AMX_H

#include "product.h"

/// Bytes that `segmoe_amx_product` works in, for so many rows and groups of columns.
size_t segmoe_amx_product_scratch(const segmoe_packing *packing, int in_int8, size_t rows, size_t groups);

/// `segmoe_bf16_product` or `segmoe_int8_product`, of rows and panels that are stored as for VDPBF16PS, and as for VNNI.
void segmoe_amx_product(const segmoe_packing *packing, int in_int8, const void *packed, const void *const *segments, size_t rows,
                        size_t first, size_t last, const segmoe_epilogue *epilogue, float *result, size_t stride, void *scratch);

#endif
