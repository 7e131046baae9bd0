// Winograd's F(4×4, 3×3) (Lavin and Gray, 2015): six by six inputs, 36 products, four by four
// outputs, a quarter of the multiplications. A body of each_isa.h.
#include "tile.h"

// The one-dimensional transforms, on any six (three) vectors `step` apart, into six (four).

INLINE void VARIANT(from_input)(const VARIANT(vector) *d, int step, VARIANT(vector) *t) {
  typedef VARIANT(vector) vector;
  const vector even = d[4 * step] - 4.0f * d[2 * step], odd = d[3 * step] - 4.0f * d[step];
  const vector near = d[4 * step] - d[2 * step], far = 2.0f * (d[3 * step] - d[step]);
  t[0] = 4.0f * d[0] + (d[4 * step] - 5.0f * d[2 * step]);
  t[1] = even + odd;
  t[2] = even - odd;
  t[3] = near + far;
  t[4] = near - far;
  t[5] = 4.0f * d[step] + (d[5 * step] - 5.0f * d[3 * step]);
}

INLINE void VARIANT(from_weight)(const VARIANT(vector) *g, int step, VARIANT(vector) *t) {
  typedef VARIANT(vector) vector;
  const vector ends = g[0] + g[2 * step];
  const vector even = g[0] * (1.0f / 24) + g[2 * step] * (1.0f / 6), odd = g[step] * (1.0f / 12);
  t[0] = g[0] * 0.25f;
  t[1] = (ends + g[step]) * (-1.0f / 6);
  t[2] = (ends - g[step]) * (-1.0f / 6);
  t[3] = even + odd;
  t[4] = even - odd;
  t[5] = g[2 * step];
}

INLINE void VARIANT(to_output)(const VARIANT(vector) *m, int step, VARIANT(vector) *y) {
  typedef VARIANT(vector) vector;
  const vector near = m[step] + m[2 * step], across = m[step] - m[2 * step];
  const vector far = m[3 * step] + m[4 * step], over = m[3 * step] - m[4 * step];
  y[0] = m[0] + near + far;
  y[1] = across + 2.0f * over;
  y[2] = near + 4.0f * far;
  y[3] = across + 8.0f * over + m[5 * step];
}

/// Where the pixels of a tile are: 36 addresses, NULL outside of the picture.
INLINE void VARIANT(locate)(const segmoe_convolution *shape, const float *x, size_t tile,
                            const float *pixels[36]) {
  const size_t across = tiles_across(shape), down = tiles_down(shape);
  const float *image =
    x + tile / (across * down) * shape->source_height * shape->source_width * shape->inputs;
  const ptrdiff_t top = (ptrdiff_t)(tile / across % down * 4) - 1;
  const ptrdiff_t left = (ptrdiff_t)(tile % across * 4) - 1;
  for (int i = 0; i < 6; i++)
    for (int j = 0; j < 6; j++) {
      const ptrdiff_t y = top + i, c = left + j;
      const int inside =
        y >= 0 && c >= 0 && y < (ptrdiff_t)shape->height && c < (ptrdiff_t)shape->width;
      pixels[i * 6 + j] = NULL;
      if (!inside) continue;
      // Nearest-neighbour enlargement on the way in, as torch rounds.
      const size_t row = (size_t)y * shape->source_height / shape->height;
      const size_t column = (size_t)c * shape->source_width / shape->width;
      pixels[i * 6 + j] = image + (row * shape->source_width + column) * shape->inputs;
    }
}

void VARIANT(segmoe_winograd_input)(const segmoe_convolution *shape, const float *x, size_t first,
                                    size_t tile, size_t tiles, float *transformed) {
  typedef VARIANT(vector) vector;
  const size_t inputs = shape->inputs;
  const float *pixels[36];
  VARIANT(locate)(shape, x, first + tile, pixels);
  int inside = 1;
  for (int i = 0; i < 36; i++) inside &= pixels[i] != NULL;
  for (size_t c = 0; c < inputs; c += PANEL) {
    float edge[36][PANEL];
    const float *from[36];
    const size_t some = inputs - c < PANEL ? inputs - c : PANEL;
    if (inside && some == PANEL) {
      for (int i = 0; i < 36; i++) from[i] = pixels[i] + c;
    } else {
      memset(edge, 0, sizeof edge);
      for (int i = 0; i < 36; i++) {
        if (pixels[i] != NULL) memcpy(edge[i], pixels[i] + c, some * sizeof(float));
        from[i] = edge[i];
      }
    }
    const size_t block = c / DEPTH, depth = block_depth(inputs, block);
    const size_t plane = tiles * depth + PANEL;
    float *out = transformed + block_start(block, tiles) + tile * depth + c % DEPTH;
    for (int part = 0; part < PARTS; part++) {
      vector half[36], column[6];
      for (int j = 0; j < 6; j++) {
#pragma clang loop unroll(full)
        for (int i = 0; i < 6; i++) column[i] = *(const vector *)(from[i * 6 + j] + part * LANES);
        vector t[6];
        VARIANT(from_input)(column, 1, t);
#pragma clang loop unroll(full)
        for (int i = 0; i < 6; i++) half[i * 6 + j] = t[i];
      }
      for (int i = 0; i < 6; i++) {
        vector t[6];
        VARIANT(from_input)(half + i * 6, 1, t);
#pragma clang loop unroll(full)
        for (int j = 0; j < 6; j++)
          *(vector *)(out + (size_t)(i * 6 + j) * plane + part * LANES) = t[j];
      }
    }
  }
}

typedef uint16_t VARIANT(halves) __attribute__((vector_size(2 * LANES), aligned(2), may_alias));
typedef uint32_t VARIANT(words) __attribute__((vector_size(4 * LANES)));

/// A vector of a weight that is in floats or in bfloat16, whose bits are the upper half of a float's.
INLINE VARIANT(vector) VARIANT(weight_at)(const void *weight, size_t index, int half) {
  if (!half) return *(const VARIANT(vector) *)((const float *)weight + index);
  const VARIANT(halves) bits = *(const VARIANT(halves) *)((const uint16_t *)weight + index);
  return (VARIANT(vector))(__builtin_convertvector(bits, VARIANT(words)) << 16);
}

/// `depth` inputs from `input` on of `panels` panels of 16 outputs, from panel `first`, transformed:
/// `[36][panel][depth][16]`.
INLINE void VARIANT(weights)(const segmoe_convolution *shape, const void *weight, size_t first, size_t input,
                             size_t depth, size_t panels, float *transformed, int bf16_weight) {
  typedef VARIANT(vector) vector;
  const size_t tap = shape->inputs * PANEL;
  const size_t plane = panels * DEPTH * PANEL;
  for (size_t panel = 0; panel < panels; panel++)
    for (size_t k = 0; k < depth; k++)
      for (int part = 0; part < PARTS; part++) {
        const size_t source = (first + panel) * 9 * tap + (input + k) * PANEL + part * LANES;
        float *out = transformed + (panel * DEPTH + k) * PANEL + part * LANES;
        vector g[9], half[18];
#pragma clang loop unroll(full)
        for (int i = 0; i < 9; i++) g[i] = VARIANT(weight_at)(weight, source + i * tap, bf16_weight);
#pragma clang loop unroll(full)
        for (int j = 0; j < 3; j++) {
          vector t[6];
          VARIANT(from_weight)(g + j, 3, t);
#pragma clang loop unroll(full)
          for (int i = 0; i < 6; i++) half[i * 3 + j] = t[i];
        }
#pragma clang loop unroll(full)
        for (int i = 0; i < 6; i++) {
          vector t[6];
          VARIANT(from_weight)(half + i * 3, 1, t);
#pragma clang loop unroll(full)
          for (int j = 0; j < 6; j++) *(vector *)(out + (size_t)(i * 6 + j) * plane) = t[j];
        }
      }
}

/// One tile's products, `plane` floats apart, to its four by four outputs of one panel.
static void VARIANT(outputs)(const segmoe_convolution *shape, const segmoe_winograd_epilogue *epilogue,
                             size_t tile, const float *products, size_t plane, size_t channel,
                             float *result) {
  typedef VARIANT(vector) vector;
  const size_t across = tiles_across(shape), down = tiles_down(shape);
  const size_t image = tile / (across * down);
  const size_t top = tile / across % down * 4, left = tile % across * 4;
  const size_t rows = shape->height - top < 4 ? shape->height - top : 4;
  const size_t columns = shape->width - left < 4 ? shape->width - left : 4;
  const size_t some = shape->outputs - channel < PANEL ? shape->outputs - channel : PANEL;
  float added[PANEL] = {0};
  if (epilogue->bias != NULL)
    memcpy(added, epilogue->bias + image * epilogue->bias_stride + channel, some * sizeof(float));
  float values[16][PANEL];
  for (int part = 0; part < PARTS; part++) {
    vector half[24];
    for (int j = 0; j < 6; j++) {
      vector m[6], y[4];
#pragma clang loop unroll(full)
      for (int i = 0; i < 6; i++)
        m[i] = *(const vector *)(products + (size_t)(i * 6 + j) * plane + part * LANES);
      VARIANT(to_output)(m, 1, y);
#pragma clang loop unroll(full)
      for (int i = 0; i < 4; i++) half[i * 6 + j] = y[i];
    }
    const vector bias = *(const vector *)(added + part * LANES);
    for (int i = 0; i < 4; i++) {
      vector y[4];
      VARIANT(to_output)(half + i * 6, 1, y);
#pragma clang loop unroll(full)
      for (int j = 0; j < 4; j++) *(vector *)(values[i * 4 + j] + part * LANES) = y[j] + bias;
    }
  }
  for (size_t i = 0; i < rows; i++)
    for (size_t j = 0; j < columns; j++) {
      const size_t place =
        ((image * shape->height + top + i) * shape->width + left + j) * shape->outputs + channel;
      float *value = values[i * 4 + j];
      if (some == PANEL) {
        for (int part = 0; part < PARTS; part++) {
          vector v = *(const vector *)(value + part * LANES);
          if (epilogue->residual != NULL)
            v += *(const vector *)(epilogue->residual + place + part * LANES);
          *(vector *)(result + place + part * LANES) = v;
        }
      } else {
        for (size_t c = 0; c < some; c++)
          result[place + c] =
            value[c] + (epilogue->residual != NULL ? epilogue->residual[place + c] : 0.0f);
      }
    }
}

void VARIANT(segmoe_winograd_multiply)(const segmoe_convolution *shape,
                                       const segmoe_winograd_epilogue *epilogue, const void *weight,
                                       size_t panel, size_t panels, const float *transformed,
                                       size_t first, size_t tiles, size_t start, size_t count,
                                       float *result, float *scratch) {
  const size_t inputs = shape->inputs;
  const size_t columns = panels * PANEL, plane = count * columns + PANEL;
  float *filters = scratch;
  float *products = filters + 36 * panels * DEPTH * PANEL;
  const size_t strips = (count + TILE_ROWS - 1) / TILE_ROWS;
  for (size_t block = 0; block * DEPTH < inputs; block++) {
    const size_t depth = inputs - block * DEPTH < DEPTH ? inputs - block * DEPTH : DEPTH;
    const size_t stride = block_depth(inputs, block);
    if (shape->bf16_weight)
      VARIANT(weights)(shape, weight, panel, block * DEPTH, depth, panels, filters, 1);
    else
      VARIANT(weights)(shape, weight, panel, block * DEPTH, depth, panels, filters, 0);
    const float *a = transformed + block_start(block, tiles) + start * stride;
    for (size_t i = 0; i < 36; i++) {
      // Strips of equal height: rows left over would be a slow strip of their own.
      for (size_t strip = 0; strip < strips; strip++) {
        const size_t row = strip * count / strips, next = (strip + 1) * count / strips;
        VARIANT(microkernel)(next - row, panels, a + i * (tiles * stride + PANEL) + row * stride, stride,
                       filters + i * panels * DEPTH * PANEL, DEPTH * PANEL, depth,
                       products + i * plane + row * columns, columns, block > 0);
      }
    }
  }
  for (size_t tile = 0; tile < count; tile++)
    for (size_t p = 0; p < panels; p++)
      VARIANT(outputs)(shape, epilogue, first + start + tile, products + tile * columns + p * PANEL,
                       plane, (panel + p) * PANEL, result);
}
