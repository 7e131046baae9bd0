// Attention without a score matrix: the softmax is updated block by block along the keys.
#define UNIT 1
#define ON_TILES 0
#define STEP(sum, x, y) ((x) * (y) + (sum))
#define STORED(weights) ((weights)[0])
#include "attention_shape.h"

/// Puts a query times `scale` to its steps, which are `apart` from each other.
static void attention_query(const float *row, size_t width, float scale, size_t apart, float *steps) {
  // Without this, clang would gather and scatter.
#pragma clang loop vectorize(disable)
  for (size_t step = 0; step < width; step++) steps[step * apart] = row[step] * scale;
}

#define SEGMOE_BODY_FILE "attention_body.h"
#include "each_isa.h"

size_t segmoe_packed_keys_size(size_t keys, size_t width) { return attention_rounded(keys) * width; }

size_t segmoe_packed_values_size(size_t keys, size_t width) { return keys * attention_rounded(width); }

size_t segmoe_attention_scratch(size_t rows, size_t width) {
  enum { tile = TILE_VECTORS * 16 };
  return (rows + tile - 1) / tile * tile * (2 * attention_whole(width) + 3) + tile * attention_block;
}

void segmoe_pack_keys(const float *keys, size_t stride, size_t count, size_t width, void *packed,
                      size_t first, size_t last) {
  for (size_t panel = first; panel < last; panel++) {
    float *target = (float *)packed + panel * ATTENTION_PANEL * width;
    const size_t rows = count - panel * ATTENTION_PANEL < ATTENTION_PANEL ? count - panel * ATTENTION_PANEL
                                                                          : ATTENTION_PANEL;
    if (rows < ATTENTION_PANEL) memset(target, 0, ATTENTION_PANEL * width * sizeof(float));
    const float *source = keys + panel * ATTENTION_PANEL * stride;
    for (size_t d = 0; d < width; d++)
      for (size_t r = 0; r < rows; r++) target[d * ATTENTION_PANEL + r] = source[r * stride + d];
  }
}

void segmoe_pack_values(const float *values, size_t stride, size_t count, size_t width,
                        void *packed, size_t first, size_t last) {
  const size_t end = last * ATTENTION_PANEL < count ? last * ATTENTION_PANEL : count;
  for (size_t channel = 0; channel < width; channel += ATTENTION_PANEL) {
    const size_t some = width - channel < ATTENTION_PANEL ? width - channel : ATTENTION_PANEL;
    for (size_t row = first * ATTENTION_PANEL; row < end; row++) {
      float *target = (float *)packed + channel * count + row * ATTENTION_PANEL;
      if (some < ATTENTION_PANEL) memset(target, 0, ATTENTION_PANEL * sizeof(float));
      memcpy(target, values + row * stride + channel, some * sizeof(float));
    }
  }
}

void segmoe_attend(const segmoe_attention *shape, const float *query, size_t first, size_t rows,
                   const void *keys, const void *values, float *result, float *scratch) {
  CHOSEN(attend)(shape, query, first, rows, keys, values, result, scratch);
}
