// Compares attention in int8 on a level with the scalar reference.
#include "attention_check.h"
#include "attention_levels.h"
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

// An attention with every remainder there is: 67 rows are a tile, a vector and three rows; 147 keys a block, two panels
// and three keys; 19 channels neither panels nor steps. `most` is enough for what is packed, and to work in.
enum { rows = 67, keys = 147, width = 19, panels = (keys + 7) / 8, most = 1 << 14 };

typedef struct trial {
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
static void attempt(trial *trial, segmoe_product_isa isa, float *result) {
  const segmoe_attention shape = {width, width, keys, width, 0.5f, 0};
  segmoe_measure_keys_int8(trial->key, width, keys, width, trial->packed_keys);
  segmoe_measure_values_int8(trial->value, width, keys, width, trial->packed_values);
  segmoe_pack_keys_int8_at(isa, trial->key, width, keys, width, trial->packed_keys, 0, panels);
  segmoe_pack_values_int8_at(isa, trial->value, width, keys, width, trial->packed_values, 0, panels);
  segmoe_attend_int8_at(isa, &shape, trial->query, rows, trial->packed_keys, trial->packed_values, result,
                        trial->scratch);
}

int segmoe_attention_is_right(segmoe_product_isa isa) {
  trial *trial = malloc(sizeof *trial);
  if (trial == NULL) return 0;
  uint32_t state = 1;
  fill(trial->query, rows * width, &state);
  fill(trial->key, keys * width, &state);
  fill(trial->value, keys * width, &state);
  attempt(trial, SEGMOE_PRODUCT_SCALAR, trial->results[0]);
  attempt(trial, isa, trial->results[1]);
  int right = memcmp(trial->results[0], trial->results[1], sizeof trial->results[0]) == 0;
  for (size_t i = 0; i < rows * width; i++)
    if (!isfinite(trial->results[0][i])) right = 0;
  free(trial);
  return right;
}
