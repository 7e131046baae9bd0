// Compares a level of products with the scalar reference.
#include "product_check.h"
#include "product.h"
#include "product_levels.h"
#include <math.h>

// A product with every remainder there is: 43 rows are seven tiles of 6 and one row, or two of AMX's tiles and a part of one;
// 99 columns a group, two panels and three columns, 67 values neither pairs nor quads.
enum { rows = 43, columns = 99, count = 2, depth = 67, most_bytes = 1 << 17 };

/// Not allocated: a level would seem to be wrong where memory is short. One thread at a time tries.
static struct {
  float x[rows * count * depth], weight[columns * count * depth], bias[columns];
  _Alignas(64) char packed[most_bytes];
  _Alignas(64) char prepared[rows * count * (depth + 8) * 4];
  _Alignas(64) char scratch[most_bytes];
  float results[2][rows * columns];
} trial;

/// Small numbers of either sign, the same each time.
static void fill(float *x, size_t size, uint32_t *state) {
  for (size_t i = 0; i < size; i++) {
    *state = *state * 1664525u + 1013904223u;
    x[i] = (float)(int32_t)*state * 0x1p-31f;
  }
}

/// Computes the product in one level, by the very functions that renders run.
static void attempt(int in_int8, segmoe_product_isa isa, float *result) {
  const segmoe_packing packing = {.outputs = columns, .segments = count, .depth = depth};
  const segmoe_epilogue epilogue = {.bias = trial.bias};
  const void *segments[rows * count];
  const size_t bytes = in_int8 ? segmoe_int8_segment_bytes_at(isa, depth) : segmoe_bf16_segment_bytes_at(isa, depth);
  for (size_t i = 0; i < rows * count; i++) segments[i] = trial.prepared + i * bytes;
  if (in_int8) {
    segmoe_int8_pack(&packing, trial.weight, 0, segmoe_groups(&packing), trial.packed);
    segmoe_int8_prologue_at(isa, trial.x, rows * count, depth, trial.prepared);
    segmoe_int8_product_at(isa, &packing, trial.packed, segments, rows, 0, segmoe_groups(&packing), &epilogue, result,
                            columns, trial.scratch);
  } else {
    segmoe_bf16_pack(&packing, trial.weight, 0, segmoe_groups(&packing), trial.packed);
    segmoe_bf16_prologue_at(isa, trial.x, rows * count, depth, trial.prepared);
    segmoe_bf16_product_at(isa, &packing, trial.packed, segments, rows, 0, segmoe_groups(&packing), &epilogue, result,
                            columns, trial.scratch);
  }
}

/// Whether a level gives what the scalar reference gives. Sums of 134 products below 1 that are
/// rounded one by one in another order differ by less than the bound; a fault differs by far more.
int segmoe_product_is_right(segmoe_product_isa isa) {
  uint32_t state = 1;
  fill(trial.x, rows * count * depth, &state);
  fill(trial.weight, columns * count * depth, &state);
  fill(trial.bias, columns, &state);
  int right = 1;
  for (int in_int8 = 0; in_int8 < 2; in_int8++) {
    attempt(in_int8, SEGMOE_PRODUCT_SCALAR, trial.results[0]);
    attempt(in_int8, isa, trial.results[1]);
    for (size_t i = 0; i < rows * columns; i++)
      if (!(fabsf(trial.results[0][i] - trial.results[1][i]) <= 2e-5f)) right = 0;
  }
  return right;
}
