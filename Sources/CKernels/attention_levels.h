// Attention of reduced precision on a level that the caller names, as product_levels.h has products.
#ifndef SEGMOE_ATTENTION_LEVELS_H
#define SEGMOE_ATTENTION_LEVELS_H

#include "attention.h"
#include "isa.h"

/// Whether a level has both products of attention on AMX's tiles.
static inline int is_on_tiles(segmoe_product_isa isa) { return isa == SEGMOE_PRODUCT_AMX; }

size_t segmoe_packed_keys_int8_size_at(segmoe_product_isa isa, size_t keys, size_t width);
size_t segmoe_packed_values_int8_size_at(segmoe_product_isa isa, size_t keys, size_t width);

void segmoe_pack_keys_int8_at(segmoe_product_isa isa, const float *keys, size_t stride, size_t count, size_t width,
                              void *packed, size_t first, size_t last);
void segmoe_pack_values_int8_at(segmoe_product_isa isa, const float *values, size_t stride, size_t count,
                                size_t width, void *packed, size_t first, size_t last);

void segmoe_attend_int8_at(segmoe_product_isa isa, const segmoe_attention *shape, const float *query, size_t rows,
                           const void *keys, const void *values, float *result, float *scratch);

size_t segmoe_packed_keys_bf16_size_at(segmoe_product_isa isa, size_t keys, size_t width);
size_t segmoe_packed_values_bf16_size_at(segmoe_product_isa isa, size_t keys, size_t width);

void segmoe_pack_keys_bf16_at(segmoe_product_isa isa, const float *keys, size_t stride, size_t count, size_t width,
                              void *packed, size_t first, size_t last);
void segmoe_pack_values_bf16_at(segmoe_product_isa isa, const float *values, size_t stride, size_t count,
                                size_t width, void *packed, size_t first, size_t last);

void segmoe_attend_bf16_at(segmoe_product_isa isa, const segmoe_attention *shape, const float *query, size_t first,
                           size_t rows, const void *keys, const void *values, float *result, float *scratch);

#endif
