// Compares attention of reduced precision on a level with the scalar reference.
#include "attention_check.h"
#include "attention_levels.h"
#include <math.h>
#include <stdint.h>

// An attention with every remainder there is: 67 rows are a tile, a vector and three rows; 147 keys a block, two panels
// and three keys; 19 channels neither panels nor steps. `most` is enough for what is packed, and to work in.
enum { rows = 67, keys = 147, width = 19, panels = (keys + 7) / 8, most = 1 << 14 };

/// Not allocated: a level would seem to be wrong where memory is short. One thread at a time tries.
static struct {
  float query[rows * width], key[keys * width], value[keys * width], packed_keys[most], packed_values[most];
  float scratch[most], results[2][rows * width];
} trial;

/// Numbers of either sign, the same each time.
static void fill(float *x, size_t size, uint32_t *state) {
  for (size_t i = 0; i < size; i++) {
    *state = *state * 1664525u + 1013904223u;
    x[i] = (float)(int32_t)*state * 0x1p-30f;
  }
}

/// Computes the attention in one level, by the very functions that renders run.
static void attempt(int in_int8, segmoe_product_isa isa, float *result) {
  const segmoe_attention shape = {width, width, keys, width, 0.5f, 0};
  if (in_int8) {
    segmoe_measure_keys_int8(trial.key, width, keys, width, trial.packed_keys);
    segmoe_measure_values_int8(trial.value, width, keys, width, trial.packed_values);
    segmoe_pack_keys_int8_at(isa, trial.key, width, keys, width, trial.packed_keys, 0, panels);
    segmoe_pack_values_int8_at(isa, trial.value, width, keys, width, trial.packed_values, 0, panels);
    segmoe_attend_int8_at(isa, &shape, trial.query, rows, trial.packed_keys, trial.packed_values, result,
                          trial.scratch);
  } else {
    segmoe_pack_keys_bf16_at(isa, trial.key, width, keys, width, trial.packed_keys, 0, panels);
    segmoe_pack_values_bf16_at(isa, trial.value, width, keys, width, trial.packed_values, 0, panels);
    segmoe_attend_bf16_at(isa, &shape, trial.query, 0, rows, trial.packed_keys, trial.packed_values, result,
                          trial.scratch);
  }
}

/// Whether a level gives what the scalar reference gives: the same bits in int8. In bfloat16 sums in another order differ a
/// little, and a weight may be rounded the other way.
int segmoe_attention_is_right(segmoe_product_isa isa) {
  uint32_t state = 1;
  fill(trial.query, rows * width, &state);
  fill(trial.key, keys * width, &state);
  fill(trial.value, keys * width, &state);
  int right = 1;
  for (int in_int8 = 0; in_int8 < 2; in_int8++) {
    const float bound = in_int8 ? 0 : 0.01f;
    attempt(in_int8, SEGMOE_PRODUCT_SCALAR, trial.results[0]);
    attempt(in_int8, isa, trial.results[1]);
    for (size_t i = 0; i < rows * width; i++)
      if (!(fabsf(trial.results[0][i] - trial.results[1][i]) <= bound)) right = 0;
  }
  return right;
}
