// Attention without a score matrix; a body of each_isa.h.
#include "tile.h"

/// 2^x for x ≤ 0, within 2e-7 relative; exactly 0 below -126.5. NaN stays NaN.
INLINE VARIANT(vector) VARIANT(power)(VARIANT(vector) x) {
  typedef VARIANT(vector) vector;
  typedef VARIANT(integers) integers;
  const vector lowest = (vector){0} - 127.0f;
  integers below = x < lowest;
  x = (vector)((below & (integers)lowest) | (~below & (integers)x));
  // Adding 1.5·2^23 rounds to an integer, which is then in the low bits of the sum.
  vector shifted = x + 12582912.0f;
  vector f = x - (shifted - 12582912.0f);
  vector p = f * POWER_5 + POWER_4;
  p = p * f + POWER_3;
  p = p * f + POWER_2;
  p = p * f + POWER_1;
  p = p * f + 1.0f;
  integers scale = ((integers)shifted - (0x4B400000 - 127)) << 23;
  return p * (vector)scale;
}

/// One row of scores, in base-2 logarithms, becomes weights relative to the highest seen so far.
/// - Parameters: `count` is a multiple of 16; `sums` are 16 running sums of weights.
/// - Returns: by how much what was summed before must be scaled down.
INLINE float VARIANT(weigh)(float *row, size_t count, float *top, float *sums) {
  typedef VARIANT(vector) vector;
  typedef VARIANT(integers) integers;
  vector high[PARTS];
  for (int l = 0; l < PARTS; l++) high[l] = *(const vector *)(row + l * LANES);
  for (size_t c = PANEL; c < count; c += PANEL)
    for (int l = 0; l < PARTS; l++) {
      vector value = *(const vector *)(row + c + l * LANES);
      integers more = value > high[l];
      high[l] = (vector)((more & (integers)value) | (~more & (integers)high[l]));
    }
  float highest = *top;
  for (int l = 0; l < PARTS; l++)
    for (int i = 0; i < LANES; i++) highest = high[l][i] > highest ? high[l][i] : highest;
  float correction = *top == highest ? 1.0f : VARIANT(power)((vector){0} + (*top - highest))[0];
  *top = highest;
  vector sum[PARTS];
  for (int l = 0; l < PARTS; l++) sum[l] = *(const vector *)(sums + l * LANES) * correction;
  for (size_t c = 0; c < count; c += PANEL)
    for (int l = 0; l < PARTS; l++) {
      vector weight = VARIANT(power)(*(const vector *)(row + c + l * LANES) - highest);
      *(vector *)(row + c + l * LANES) = weight;
      sum[l] += weight;
    }
  for (int l = 0; l < PARTS; l++) *(vector *)(sums + l * LANES) = sum[l];
  return correction;
}

/// Six rows against one block of keys: scores, weights, weighted values.
/// - Parameters: `query` is scaled; `first` is the row's number, `key` that of the block's first of
///   `count` keys; `sums`, `totals` and `tops` are what runs along.
static void VARIANT(step)(const segmoe_attention *shape, const float *query, size_t padded,
                          size_t first, size_t rows, const float *keys, const float *values,
                          size_t key, size_t count, float *scores, float *sums, float *totals,
                          float *tops) {
  typedef VARIANT(vector) vector;
  const size_t block = segmoe_attention_block(shape->width);
  const size_t all_keys = (shape->keys + PANEL - 1) / PANEL * PANEL;
  const size_t panels = (count + PANEL - 1) / PANEL;
  VARIANT(strip)(rows, panels, query, padded, keys + key * shape->width, PANEL * shape->width,
                 shape->width, scores, block, 0);
  for (size_t r = 0; r < rows; r++) {
    float *row = scores + r * block;
    size_t valid = count;
    if (shape->causal && first + r + 1 < key + valid)
      valid = first + r + 1 > key ? first + r + 1 - key : 0;
    for (size_t c = valid; c < panels * PANEL; c++) row[c] = -INFINITY;
    float correction = VARIANT(weigh)(row, panels * PANEL, &tops[r], totals + r * PANEL);
    if (correction != 1.0f)
      for (size_t d = 0; d < padded; d += LANES) *(vector *)(sums + r * padded + d) *= correction;
  }
  VARIANT(strip)(rows, padded / PANEL, scores, block, values + key * PANEL, all_keys * PANEL,
                 panels * PANEL, sums, padded, 1);
}

void VARIANT(segmoe_attend)(const segmoe_attention *shape, const float *query, size_t first,
                            size_t rows, const float *keys, const float *values, float *result,
                            float *scratch) {
  const size_t width = shape->width, padded = (width + PANEL - 1) / PANEL * PANEL;
  const size_t block = segmoe_attention_block(width);
  float *scores = scratch;
  float *scaled = scores + TILE_ROWS * block;
  float *sums = scaled + rows * padded;
  float *totals = sums + rows * padded;
  float *tops = totals + rows * PANEL;
  const float scale = shape->scale * 1.44269504088896341f;
  for (size_t r = 0; r < rows; r++) {
    for (size_t d = 0; d < width; d++) scaled[r * padded + d] = query[r * shape->stride + d] * scale;
    tops[r] = -INFINITY;
  }
  memset(sums, 0, rows * padded * sizeof(float));
  memset(totals, 0, rows * PANEL * sizeof(float));
  for (size_t key = 0; key < shape->keys; key += block)
    for (size_t start = 0; start < rows; start += TILE_ROWS) {
      const size_t now = rows - start < TILE_ROWS ? rows - start : TILE_ROWS;
      // Of a causal attention, only keys up to the last row.
      size_t seen = shape->keys;
      if (shape->causal && first + start + now < seen) seen = first + start + now;
      if (key >= seen) continue;
      const size_t count = seen - key < block ? seen - key : block;
      VARIANT(step)(shape, scaled + start * padded, padded, first + start, now, keys, values, key,
                    count, scores, sums + start * padded, totals + start * PANEL, tops + start);
    }
  for (size_t r = 0; r < rows; r++) {
    float total = 0;
    for (int l = 0; l < PANEL; l++) total += totals[r * PANEL + l];
    const float inverse = 1.0f / total;
    for (size_t d = 0; d < width; d++)
      result[r * shape->result_stride + d] = sums[r * padded + d] * inverse;
  }
}
