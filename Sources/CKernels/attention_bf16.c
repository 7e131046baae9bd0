// Attention whose products are in bfloat16: queries, keys, weights and values are rounded, scores, softmax and sums
// are in single precision. Panels are of pairs: of a key's values, or of a channel's values of two keys.
#include "attention_walk.h"
#include "convert.h"
#include "tile_bf16.h"

enum { panel_width = SEGMOE_PANEL, tile_panels = 4 };

static size_t pairs_of(size_t count) { return (count + 1) / 2; }
static size_t panels_of(size_t count) { return (count + panel_width - 1) / panel_width; }

size_t segmoe_packed_keys_bf16_size(size_t keys, size_t width) {
  return panels_of(keys) * panel_width * pairs_of(width);
}

size_t segmoe_packed_values_bf16_size(size_t keys, size_t width) {
  return panels_of(keys) * panel_width / 2 * panels_of(width) * panel_width;
}

void segmoe_pack_keys_bf16(const float *keys, size_t stride, size_t count, size_t width, void *packed,
                           size_t first, size_t last) {
  enum { some = 64 };
  const size_t pairs = pairs_of(width);
  for (size_t panel = first; panel < last; panel++)
    for (size_t lane = 0; lane < panel_width; lane++) {
      const size_t key = panel * panel_width + lane;
      uint32_t *target = (uint32_t *)packed + panel * panel_width * pairs + lane;
      for (size_t d = 0; d < width; d += some) {
        const size_t now = width - d < some ? width - d : some;
        uint16_t rounded[some + 1] = {0};
        if (key < count) segmoe_f32_to_bf16(keys + key * stride + d, rounded, now);
        for (size_t p = 0; p < pairs_of(now); p++)
          target[(d / 2 + p) * panel_width] = rounded[2 * p] | (uint32_t)rounded[2 * p + 1] << 16;
      }
    }
}

void segmoe_pack_values_bf16(const float *values, size_t stride, size_t count, size_t width, void *packed,
                             size_t first, size_t last) {
  const size_t pairs = panels_of(count) * panel_width / 2;
  for (size_t column = 0; column < width; column += panel_width) {
    const size_t some = width - column < panel_width ? width - column : panel_width;
    uint32_t *target = (uint32_t *)packed + column * pairs;
    for (size_t pair = first * panel_width / 2; pair < last * panel_width / 2; pair++) {
      uint16_t rounded[2][panel_width] = {{0}};
      for (size_t i = 0; i < 2; i++)
        if (2 * pair + i < count)
          segmoe_f32_to_bf16(values + (2 * pair + i) * stride + column, rounded[i], some);
      for (size_t c = 0; c < panel_width; c++)
        target[pair * panel_width + c] = rounded[0][c] | (uint32_t)rounded[1][c] << 16;
    }
  }
}

static void prepare(const float *query, size_t width, float scale, float *row) {
  enum { some = 64 };
  uint16_t *target = (uint16_t *)row;
  for (size_t d = 0; d < width; d += some) {
    const size_t now = width - d < some ? width - d : some;
    float scaled[some];
    for (size_t i = 0; i < now; i++) scaled[i] = query[d + i] * scale;
    segmoe_f32_to_bf16(scaled, target + d, now);
  }
  if (width % 2 != 0) target[width] = 0;
}

static float wide(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// The reference of the product.
static void product_scalar(size_t rows, size_t panels, const float *a, size_t lda, const float *b, size_t panel,
                           size_t pairs, float *c, size_t ldc, int accumulate) {
  for (size_t r = 0; r < rows; r++)
    for (size_t column = 0; column < panels * panel_width; column++) {
      const char *x = (const char *)(a + r * lda);
      const char *w = (const char *)(b + column / panel_width * panel + column % panel_width);
      float sum = accumulate ? c[r * ldc + column] : 0;
      for (size_t p = 0; p < pairs; p++) {
        uint32_t left, right;
        memcpy(&left, x + p * 4, sizeof left);
        memcpy(&right, w + p * panel_width * 4, sizeof right);
        sum += wide(left & 0xffff0000) * wide(right & 0xffff0000);
        sum += wide(left << 16) * wide(right << 16);
      }
      c[r * ldc + column] = sum;
    }
}

#if defined(__x86_64__)
SEGMOE_TARGET(SEGMOE_SET_BF16)
static void product_native(size_t rows, size_t panels, const float *a, size_t lda, const float *b, size_t panel,
                           size_t pairs, float *c, size_t ldc, int accumulate) {
  const char *row[tile_rows];
  for (size_t r = 0; r < rows; r++) row[r] = (const char *)(a + r * lda);
#define TILE(r, p)                                                                                 \
  (accumulate ? tile_bf16(r, p, row, (const char *)b, panel * 4, pairs, c, ldc, 1)                 \
              : tile_bf16(r, p, row, (const char *)b, panel * 4, pairs, c, ldc, 0))
  for (size_t left = panels; left > 0;) {
    // Five as three and two: one panel alone is too little for the latency of its sums.
    const size_t now = left == tile_panels + 1 ? tile_panels - 1 : left < tile_panels ? left : tile_panels;
    switch (now) {
    case 4: SEGMOE_STRIP_ROWS(4) break;
    case 3: SEGMOE_STRIP_ROWS(3) break;
    case 2: SEGMOE_STRIP_ROWS(2) break;
    default: SEGMOE_STRIP_ROWS(1) break;
    }
    left -= now, b += now * panel, c += now * panel_width;
  }
#undef TILE
}
#endif

/// Rounds a row of weights where it is: what is written is half as long as what was read.
static void round_weights(float *row, size_t count) {
  for (size_t i = 0; i < count; i += panel_width) {
    uint16_t rounded[panel_width];
    segmoe_f32_to_bf16(row + i, rounded, panel_width);
    memcpy((char *)row + i * sizeof(uint16_t), rounded, sizeof rounded);
  }
}

static float weigh(float *row, size_t count, float *top, float *sums) {
  const float correction = segmoe_attention_parts_f32().weigh(row, count, top, sums);
  round_weights(row, count);
  return correction;
}

void segmoe_attend_bf16(const segmoe_attention *shape, const float *query, size_t first, size_t rows,
                        const void *keys, const void *values, float *result, float *scratch) {
  segmoe_attention_parts parts = {2, prepare, product_scalar, weigh};
#if defined(__x86_64__)
  if (segmoe_product_isa_in_use() == SEGMOE_PRODUCT_AVX512_BF16) parts.product = product_native;
#endif
  segmoe_attention_walk(&parts, shape, query, first, rows, keys, values, result, scratch);
}
