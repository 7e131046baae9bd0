// Rounds keys and values of attention to int8 and packs them.
#include "attention_levels.h"
#include "int8_heads.h"
#include "variants.h"
#include <math.h>
#include <string.h>

// Channels that are measured or rounded at a time.
enum { some = 32 };

size_t segmoe_packed_keys_int8_size_at(segmoe_product_isa isa, size_t keys, size_t width) {
  const size_t blocks = (keys + attention_block - 1) / attention_block;
  return 3 * attention_whole(width) + attention_whole(blocks) + attention_whole(keys) +
         packed_steps(layout_of(is_on_tiles(isa), steps_of(isa, width)), keys);
}

size_t segmoe_packed_values_int8_size_at(segmoe_product_isa isa, size_t keys, size_t width) {
  return 2 * attention_whole(width) + packed_steps(layout_of(is_on_tiles(isa), steps_of(isa, keys)), width);
}

/// Of each of `width` ≤ `some` channels of rows `stride` apart: the mean, and the larger distance of the lowest and of
/// the highest value from it. Not a number if a value is not finite.
SEGMOE_BODY void measure_body(const float *x, size_t stride, size_t rows, size_t width, float *mean, float *distance) {
  float sum[some] = {0}, low[some], high[some];
  for (int c = 0; c < some; c++) low[c] = INFINITY, high[c] = -INFINITY;
  if (width == some)
    for (size_t row = 0; row < rows; row++)
      for (size_t c = 0; c < some; c++) {
        const float value = x[row * stride + c];
        sum[c] += value;
        low[c] = value < low[c] ? value : low[c];
        high[c] = value > high[c] ? value : high[c];
      }
  else
    for (size_t row = 0; row < rows; row++)
      for (size_t c = 0; c < width; c++) {
        const float value = x[row * stride + c];
        sum[c] += value;
        low[c] = value < low[c] ? value : low[c];
        high[c] = value > high[c] ? value : high[c];
      }
  for (size_t c = 0; c < width; c++) {
    mean[c] = sum[c] / (float)rows;
    const float above = high[c] - mean[c], below = mean[c] - low[c];
    // The difference is 0, or not a number.
    distance[c] = (above > below ? above : below) + (mean[c] - mean[c]);
  }
}
SEGMOE_KERNEL(measure, (const float *x, size_t stride, size_t rows, size_t width, float *mean, float *distance),
              (x, stride, rows, width, mean, distance))

void segmoe_measure_keys_int8(const float *keys, size_t stride, size_t count, size_t width, void *packed) {
  const packed_keys head = packed_keys_at(packed, count, width);
  for (size_t d = 0; d < width; d += some) {
    const size_t now = width - d < some ? width - d : some;
    float distance[some];
    measure(keys + d, stride, count, now, head.mean + d, distance);
    for (size_t c = 0; c < now; c++) {
      // Halfway between keys as they are and keys whose channels are all of one size (SmoothQuant, Xiao et al., 2023).
      head.query_factor[d + c] = distance[c] > 0 ? sqrtf(distance[c]) : 1;
      head.key_factor[d + c] = 1 / head.query_factor[d + c];
    }
  }
}

void segmoe_measure_values_int8(const float *values, size_t stride, size_t count, size_t width, void *packed) {
  const packed_values head = packed_values_at(packed, width);
  for (size_t d = 0; d < width; d += some) {
    const size_t now = width - d < some ? width - d : some;
    measure(values + d, stride, count, now, head.mean + d, head.scale + d);
    for (size_t c = d; c < d + now; c++) head.scale[c] /= 127.0f;
  }
}

/// The largest |x − mean| · factor of rows `stride` apart; infinite if any is not finite.
SEGMOE_BODY void farthest_body(const float *x, size_t stride, size_t rows, const float *mean, const float *factor,
                               size_t width, float *result) {
  enum { lanes = 16 };
  float most[lanes] = {0}, odd[lanes] = {0};
  for (size_t row = 0; row < rows; row++, x += stride) {
    size_t i = 0;
    for (; i + lanes <= width; i += lanes)
      for (int l = 0; l < lanes; l++) {
        const float size = fabsf((x[i + l] - mean[i + l]) * factor[i + l]);
        most[l] = size > most[l] ? size : most[l];
        odd[l] += size - size;
      }
    for (int l = 0; i < width; i++, l++) {
      const float size = fabsf((x[i] - mean[i]) * factor[i]);
      most[l] = size > most[l] ? size : most[l];
      odd[l] += size - size;
    }
  }
  for (int half = lanes / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) {
      most[l] = most[l + half] > most[l] ? most[l + half] : most[l];
      odd[l] += odd[l + half];
    }
  *result = odd[0] == 0 ? most[0] : INFINITY;
}
SEGMOE_KERNEL(farthest,
              (const float *x, size_t stride, size_t rows, const float *mean, const float *factor, size_t width,
               float *result),
              (x, stride, rows, mean, factor, width, result))

/// The nearest integer, ties to even, in the lowest bits: adding 1.5·2^23 leaves it there.
SEGMOE_BODY uint32_t nearest(float x) {
  const float shifted = x + 12582912.0f;
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  return bits;
}

/// (x − mean) · factor · inverse to the nearest integer, and the sum of these.
SEGMOE_BODY void round_key_body(const float *x, const float *mean, const float *factor, float inverse, size_t width,
                                int8_t *rounded, int32_t *sum) {
  int32_t total = 0;
  for (size_t i = 0; i < width; i++) {
    rounded[i] = (int8_t)(uint8_t)nearest((x[i] - mean[i]) * factor[i] * inverse);
    total += rounded[i];
  }
  *sum += total;
}
SEGMOE_KERNEL(round_key,
              (const float *x, const float *mean, const float *factor, float inverse, size_t width, int8_t *rounded,
               int32_t *sum),
              (x, mean, factor, inverse, width, rounded, sum))

/// Steps of one value of each of `width` ≤ `some` channels in `rows` rows: (x − mean) · inverse to the nearest integer,
/// in `bits` each.
SEGMOE_BODY void round_values_body(const float *x, size_t stride, size_t rows, const float *mean, const float *inverse,
                                   size_t width, int bits, uint32_t *steps) {
  const uint32_t mask = (1u << bits) - 1;
  for (size_t c = 0; c < some; c++) steps[c] = 0;
  for (size_t row = 0; row < rows; row++)
    for (size_t c = 0; c < width; c++)
      steps[c] |= (nearest((x[row * stride + c] - mean[c]) * inverse[c]) & mask) << bits * row;
}
SEGMOE_KERNEL(round_values,
              (const float *x, size_t stride, size_t rows, const float *mean, const float *inverse, size_t width,
               int bits, uint32_t *steps),
              (x, stride, rows, mean, inverse, width, bits, steps))

/// 127 / `most`, or 0 if that is not a factor to round by.
static float factor_of(float most) {
  const float factor = 127.0f / most;
  return isfinite(most) && isfinite(factor) ? factor : 0;
}

/// The step that channels from `rounded` on make, `unit` of them. `zero` is 0 or 128.
SEGMOE_BODY int32_t step_of(const int8_t *rounded, size_t unit, int zero) {
  int32_t step;
  if (unit == 4) {
    memcpy(&step, rounded, sizeof step);
    // A byte more by 128 has the other highest bit.
    return (int32_t)((uint32_t)step ^ (zero ? 0x80808080u : 0));
  }
  const int16_t pair[2] = {(int16_t)(rounded[0] + zero), (int16_t)(rounded[1] + zero)};
  memcpy(&step, pair, sizeof step);
  return step;
}

// Channels of a row that are rounded at a time: a multiple of a step.
enum { row_channels = 256 };

float segmoe_round_query_int8(const float *row, const packed_keys *keys, size_t width, size_t unit, size_t apart,
                              int32_t *steps) {
  static const float nothing[row_channels];
  float most = 0;
  for (size_t d = 0; d < width; d += row_channels) {
    float here;
    farthest(row + d, 0, 1, nothing, keys->query_factor + d, width - d < row_channels ? width - d : row_channels, &here);
    most = here > most ? here : most;
  }
  const float inverse = factor_of(most);
  for (size_t d = 0; d < width; d += row_channels) {
    const size_t now = width - d < row_channels ? width - d : row_channels;
    int8_t rounded[row_channels] = {0};
    int32_t sum = 0;
    if (inverse > 0) round_key(row + d, nothing, keys->query_factor + d, inverse, now, rounded, &sum);
    for (size_t i = 0; i < now; i += unit) steps[(d + i) / unit * apart] = step_of(rounded + i, unit, 128);
  }
  return isfinite(most) ? (inverse > 0 ? most / 127.0f : 0) : NAN;
}

void segmoe_pack_keys_int8_at(segmoe_product_isa isa, const float *keys, size_t stride, size_t count, size_t width,
                              void *packed, size_t first, size_t last) {
  const packed_keys head = packed_keys_at(packed, count, width);
  const size_t unit = unit_of(isa), end = last * ATTENTION_PANEL;
  const attention_layout layout = layout_of(is_on_tiles(isa), steps_of(isa, width));
  for (size_t block = first * ATTENTION_PANEL; block < end; block += attention_block) {
    const size_t stop = block + attention_block < end ? block + attention_block : end;
    const size_t here = (stop < count ? stop : count) - block;
    float most;
    farthest(keys + block * stride, stride, here, head.mean, head.key_factor, width, &most);
    const float inverse = factor_of(most);
    // A number that is not finite must not give a picture that looks right.
    head.scales[block / attention_block] = isfinite(most) ? (inverse > 0 ? most / 127.0f : 0) : NAN;
    for (size_t key = block; key < stop; key++) {
      int32_t sum = 0;
      for (size_t d = 0; d < width; d += row_channels) {
        const size_t now = width - d < row_channels ? width - d : row_channels;
        int8_t rounded[row_channels] = {0};
        if (key < count && inverse > 0)
          round_key(keys + key * stride + d, head.mean + d, head.key_factor + d, inverse, now, rounded, &sum);
        const size_t step = d / unit, end_step = d + now == width ? layout.steps - step : now / unit;
        for (size_t i = 0; i < end_step; i++)
          head.steps[place_of(layout, key, step + i)] = step_of(rounded + i * unit, unit, 0);
      }
      head.offsets[key] = -128 * sum;
    }
  }
}

void segmoe_pack_values_int8_at(segmoe_product_isa isa, const float *values, size_t stride, size_t count,
                                size_t width, void *packed, size_t first, size_t last) {
  const packed_values head = packed_values_at(packed, width);
  const size_t unit = unit_of(isa);
  const attention_layout layout = layout_of(is_on_tiles(isa), steps_of(isa, count));
  // Tiles are whole.
  const size_t end = last * ATTENTION_PANEL < count ? last * ATTENTION_PANEL : layout.steps * unit;
  for (size_t d = 0; d < width; d += some) {
    const size_t now = width - d < some ? width - d : some;
    float inverse[some];
    for (size_t c = 0; c < now; c++) inverse[c] = factor_of(head.scale[d + c] * 127.0f);
    for (size_t key = first * ATTENTION_PANEL; key < end; key += unit) {
      uint32_t rounded[some] = {0};
      if (key < count)
        round_values(values + key * stride + d, stride, count - key < unit ? count - key : unit, head.mean + d, inverse, now,
                     unit == 4 ? 8 : 16, rounded);
      for (size_t c = 0; c < attention_rounded(now); c++) head.steps[place_of(layout, d + c, key / unit)] = (int32_t)rounded[c];
    }
  }
}
