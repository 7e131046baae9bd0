// Products of reduced precision on a level that the caller names. Renders call the functions of product.h, which run on
// the level in use. The code that checks and times levels calls these.
#ifndef SEGMOE_PRODUCT_LEVELS_H
#define SEGMOE_PRODUCT_LEVELS_H

#include "isa.h"
#include "product.h"

size_t segmoe_bf16_segment_bytes_at(segmoe_product_isa isa, size_t depth);
size_t segmoe_int8_segment_bytes_at(segmoe_product_isa isa, size_t depth);

size_t segmoe_product_scratch_at(segmoe_product_isa isa, const segmoe_packing *packing, int in_int8, size_t rows,
                                 size_t groups);

void segmoe_bf16_prologue_at(segmoe_product_isa isa, const float *x, size_t count, size_t depth, void *prepared);
void segmoe_int8_prologue_at(segmoe_product_isa isa, const float *x, size_t count, size_t depth, void *prepared);

void segmoe_bf16_product_at(segmoe_product_isa isa, const segmoe_packing *packing, const void *packed,
                            const void *const *segments, size_t rows, size_t first, size_t last,
                            const segmoe_epilogue *epilogue, float *result, size_t stride, void *scratch);
void segmoe_int8_product_at(segmoe_product_isa isa, const segmoe_packing *packing, const void *packed,
                            const void *const *segments, size_t rows, size_t first, size_t last,
                            const segmoe_epilogue *epilogue, float *result, size_t stride, void *scratch);

#endif
