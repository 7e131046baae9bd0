#include "attention.h"

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
  size_t block = 8192 / width / PANEL * PANEL;
  return block < 64 ? 64 : block > 256 ? 256 : block;
}

size_t segmoe_attention_scratch(size_t rows, size_t width) {
  const size_t padded = panels_of(width) * PANEL;
  return TILE_ROWS * segmoe_attention_block(width) + rows * (2 * padded + PANEL + 1);
}

void segmoe_pack_keys(const float *keys, size_t stride, size_t count, size_t width, float *packed,
                      size_t first, size_t last) {
  for (size_t panel = first; panel < last; panel++) {
    float *target = packed + panel * PANEL * width;
    const size_t rows = count - panel * PANEL < PANEL ? count - panel * PANEL : PANEL;
    if (rows < PANEL) memset(target, 0, PANEL * width * sizeof(float));
    const float *source = keys + panel * PANEL * stride;
    for (size_t d = 0; d < width; d++)
      for (size_t r = 0; r < rows; r++) target[d * PANEL + r] = source[r * stride + d];
  }
}

void segmoe_pack_values(const float *values, size_t stride, size_t count, size_t width,
                        float *packed, size_t first, size_t last) {
  const size_t height = panels_of(count) * PANEL;
  for (size_t column = 0; column < width; column += PANEL) {
    const size_t some = width - column < PANEL ? width - column : PANEL;
    float *target = packed + column * height;
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

void segmoe_attend(const segmoe_attention *shape, const float *query, size_t first, size_t rows,
                   const float *keys, const float *values, float *result, float *scratch) {
  CHOSEN(segmoe_attend)(shape, query, first, rows, keys, values, result, scratch);
}
