// Attention without a score matrix: the softmax runs along with the keys.
#include "attention_walk.h"

// 2^f on [-0.5, 0.5]: the polynomial of degree 5 of least relative error with constant term 1.
#define POWER_1 0x1.62e42ap-1f
#define POWER_2 0x1.ebf9bcp-3f
#define POWER_3 0x1.c6b752p-5f
#define POWER_4 0x1.3cea88p-7f
#define POWER_5 0x1.5bba14p-10f

#define SEGMOE_BODY_FILE "attention_body.h"
#include "each_isa.h"

static size_t panels_of(size_t count) { return (count + PANEL - 1) / PANEL; }

size_t segmoe_packed_keys_size(size_t keys, size_t width) {
  return panels_of(keys) * PANEL * width;
}

size_t segmoe_packed_values_size(size_t keys, size_t width) {
  return panels_of(keys) * PANEL * panels_of(width) * PANEL;
}

// A block of keys and one of values stay in the second cache while all rows of a task pass by.
size_t segmoe_attention_block(size_t width) {
  size_t block = 24576 / width / PANEL * PANEL;
  return block < 64 ? 64 : block > 512 ? 512 : block;
}

size_t segmoe_attention_scratch(size_t rows, size_t width) {
  const size_t padded = panels_of(width) * PANEL;
  return TILE_ROWS * segmoe_attention_block(width) + rows * (2 * padded + PANEL + 1);
}

void segmoe_pack_keys(const float *keys, size_t stride, size_t count, size_t width, void *packed,
                      size_t first, size_t last) {
  for (size_t panel = first; panel < last; panel++) {
    float *target = (float *)packed + panel * PANEL * width;
    const size_t rows = count - panel * PANEL < PANEL ? count - panel * PANEL : PANEL;
    if (rows < PANEL) memset(target, 0, PANEL * width * sizeof(float));
    const float *source = keys + panel * PANEL * stride;
    for (size_t d = 0; d < width; d++)
      for (size_t r = 0; r < rows; r++) target[d * PANEL + r] = source[r * stride + d];
  }
}

void segmoe_pack_values(const float *values, size_t stride, size_t count, size_t width,
                        void *packed, size_t first, size_t last) {
  const size_t height = panels_of(count) * PANEL;
  for (size_t column = 0; column < width; column += PANEL) {
    const size_t some = width - column < PANEL ? width - column : PANEL;
    float *target = (float *)packed + column * height;
    for (size_t row = first * PANEL; row < last * PANEL; row++) {
      float *out = target + row * PANEL;
      if (row < count && some == PANEL) {
        memcpy(out, values + row * stride + column, PANEL * sizeof(float));
      } else {
        memset(out, 0, PANEL * sizeof(float));
        if (row < count) memcpy(out, values + row * stride + column, some * sizeof(float));
      }
    }
  }
}

static void prepare(const float *query, size_t width, float scale, float *row) {
  for (size_t d = 0; d < width; d++) row[d] = query[d] * scale;
}

segmoe_attention_parts segmoe_attention_parts_f32(void) {
  return (segmoe_attention_parts){1, prepare, CHOSEN(attention_product), CHOSEN(weigh)};
}

/// What runs along with the keys, of some rows.
typedef struct running {
  /// Σ weight · value, Σ weight (16 lanes of it), the highest score.
  float *sums, *totals, *tops;
} running;

/// Up to six rows against the `count` keys from `key` on: scores, weights, weighted values.
static void step(const segmoe_attention_parts *parts, const segmoe_attention *shape, const float *query,
                 size_t first, size_t rows, const float *keys, const float *values, size_t key, size_t count,
                 float *scores, running run) {
  const size_t width = shape->width, padded = panels_of(width) * PANEL, block = segmoe_attention_block(width);
  const size_t panels = panels_of(count), depth = (width + parts->unit - 1) / parts->unit;
  parts->product(rows, panels, query, padded, keys + key * depth, PANEL * depth, depth, scores, block, 0);
  for (size_t r = 0; r < rows; r++) {
    float *row = scores + r * block;
    size_t valid = count;
    if (shape->causal && first + r + 1 < key + valid)
      valid = first + r + 1 > key ? first + r + 1 - key : 0;
    for (size_t c = valid; c < panels * PANEL; c++) row[c] = -INFINITY;
    const float correction = parts->weigh(row, panels * PANEL, &run.tops[r], run.totals + r * PANEL);
    if (correction != 1.0f)
      for (size_t d = 0; d < padded; d++) run.sums[r * padded + d] *= correction;
  }
  const size_t panel = panels_of(shape->keys) * PANEL * PANEL / parts->unit;
  parts->product(rows, padded / PANEL, scores, block, values + key * PANEL / parts->unit, panel,
                 panels * PANEL / parts->unit, run.sums, padded, 1);
}

void segmoe_attention_walk(const segmoe_attention_parts *parts, const segmoe_attention *shape, const float *query,
                           size_t first, size_t rows, const void *keys, const void *values, float *result,
                           float *scratch) {
  const size_t width = shape->width, padded = panels_of(width) * PANEL;
  const size_t block = segmoe_attention_block(width);
  float *scores = scratch;
  float *scaled = scores + TILE_ROWS * block;
  float *sums = scaled + rows * padded;
  float *totals = sums + rows * padded;
  float *tops = totals + rows * PANEL;
  // Weights are powers of two.
  const float scale = shape->scale * 1.44269504088896341f;
  for (size_t r = 0; r < rows; r++) {
    parts->prepare(query + r * shape->stride, width, scale, scaled + r * padded);
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
      step(parts, shape, scaled + start * padded, first + start, now, keys, values, key, count, scores,
           (running){sums + start * padded, totals + start * PANEL, tops + start});
    }
  for (size_t r = 0; r < rows; r++) {
    float total = 0;
    for (int l = 0; l < PANEL; l++) total += totals[r * PANEL + l];
    const float inverse = 1.0f / total;
    for (size_t d = 0; d < width; d++)
      result[r * shape->result_stride + d] = sums[r * padded + d] * inverse;
  }
}

void segmoe_attend(const segmoe_attention *shape, const float *query, size_t first, size_t rows,
                   const void *keys, const void *values, float *result, float *scratch) {
  const segmoe_attention_parts parts = segmoe_attention_parts_f32();
  segmoe_attention_walk(&parts, shape, query, first, rows, keys, values, result, scratch);
}
