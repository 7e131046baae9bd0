// Products of reduced precision on the level in use.
#include "product.h"
#include "product_isa.h"
#include "product_levels.h"

size_t segmoe_product_scratch(const segmoe_packing *packing, int in_int8, size_t rows, size_t groups) {
  return segmoe_product_scratch_at(segmoe_product_isa_in_use(), packing, in_int8, rows, groups);
}

size_t segmoe_bf16_segment_bytes(size_t depth) {
  return segmoe_bf16_segment_bytes_at(segmoe_product_isa_in_use(), depth);
}

void segmoe_bf16_prologue(const float *x, size_t count, size_t depth, void *prepared) {
  segmoe_bf16_prologue_at(segmoe_product_isa_in_use(), x, count, depth, prepared);
}

void segmoe_bf16_product(const segmoe_packing *packing, const void *packed, const void *const *segments,
                         size_t rows, size_t first, size_t last, const segmoe_epilogue *epilogue,
                         float *result, size_t stride, void *scratch) {
  segmoe_bf16_product_at(segmoe_product_isa_in_use(), packing, packed, segments, rows, first, last, epilogue, result,
                         stride, scratch);
}

size_t segmoe_int8_segment_bytes(size_t depth) {
  return segmoe_int8_segment_bytes_at(segmoe_product_isa_in_use(), depth);
}

void segmoe_int8_prologue(const float *x, size_t count, size_t depth, void *prepared) {
  segmoe_int8_prologue_at(segmoe_product_isa_in_use(), x, count, depth, prepared);
}

void segmoe_int8_product(const segmoe_packing *packing, const void *packed, const void *const *segments,
                         size_t rows, size_t first, size_t last, const segmoe_epilogue *epilogue,
                         float *result, size_t stride, void *scratch) {
  segmoe_int8_product_at(segmoe_product_isa_in_use(), packing, packed, segments, rows, first, last, epilogue, result,
                         stride, scratch);
}
