// Attention of reduced precision on the level in use.
#include "attention.h"
#include "attention_levels.h"
#include "product_isa.h"

size_t segmoe_packed_keys_int8_size(size_t keys, size_t width) {
  return segmoe_packed_keys_int8_size_at(segmoe_product_isa_in_use(), keys, width);
}

size_t segmoe_packed_values_int8_size(size_t keys, size_t width) {
  return segmoe_packed_values_int8_size_at(segmoe_product_isa_in_use(), keys, width);
}

void segmoe_pack_keys_int8(const float *keys, size_t stride, size_t count, size_t width, void *packed, size_t first,
                           size_t last) {
  segmoe_pack_keys_int8_at(segmoe_product_isa_in_use(), keys, stride, count, width, packed, first, last);
}

void segmoe_pack_values_int8(const float *values, size_t stride, size_t count, size_t width, void *packed,
                             size_t first, size_t last) {
  segmoe_pack_values_int8_at(segmoe_product_isa_in_use(), values, stride, count, width, packed, first, last);
}

void segmoe_attend_int8(const segmoe_attention *shape, const float *query, size_t first, size_t rows,
                        const void *keys, const void *values, float *result, float *scratch) {
  // Without a mask, where the rows begin does not matter.
  (void)first;
  segmoe_attend_int8_at(segmoe_product_isa_in_use(), shape, query, rows, keys, values, result, scratch);
}

size_t segmoe_packed_keys_bf16_size(size_t keys, size_t width) {
  return segmoe_packed_keys_bf16_size_at(segmoe_product_isa_in_use(), keys, width);
}

size_t segmoe_packed_values_bf16_size(size_t keys, size_t width) {
  return segmoe_packed_values_bf16_size_at(segmoe_product_isa_in_use(), keys, width);
}

void segmoe_pack_keys_bf16(const float *keys, size_t stride, size_t count, size_t width, void *packed, size_t first,
                           size_t last) {
  segmoe_pack_keys_bf16_at(segmoe_product_isa_in_use(), keys, stride, count, width, packed, first, last);
}

void segmoe_pack_values_bf16(const float *values, size_t stride, size_t count, size_t width, void *packed,
                             size_t first, size_t last) {
  segmoe_pack_values_bf16_at(segmoe_product_isa_in_use(), values, stride, count, width, packed, first, last);
}

void segmoe_attend_bf16(const segmoe_attention *shape, const float *query, size_t first, size_t rows,
                        const void *keys, const void *values, float *result, float *scratch) {
  segmoe_attend_bf16_at(segmoe_product_isa_in_use(), shape, query, first, rows, keys, values, result, scratch);
}
