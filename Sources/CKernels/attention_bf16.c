// Attention whose products are in bfloat16: queries, keys, weights and values are rounded, scores, softmax and sums
// are in single precision. A step is a pair: of a key's channels, or of a channel's values of two keys.
#include "convert.h"
#include "targets.h"
#define UNIT 2
#define ON_TILES 0
#include "attention_levels.h"
#include "attention_shape.h"
#include "tiles_amx.h"
#include <math.h>

// Both bodies have sums of 16 lanes or less in the same order: the second of a pair first, as VDPBF16PS adds.
#pragma STDC FP_CONTRACT ON
#pragma clang diagnostic ignored "-Wpsabi"

static inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline float pair_of(float first, float second) {
  return float_of(segmoe_bf16_of(first) | (uint32_t)segmoe_bf16_of(second) << 16);
}

// Channels of a query that are rounded at a time, an even number.
enum { rounded_channels = 64 };

/// Puts a query times `scale` to its steps, which are `apart` from each other.
static void attention_query(const float *row, size_t width, float scale, size_t apart, float *steps) {
  for (size_t d = 0; d < width; d += rounded_channels) {
    const size_t now = width - d < rounded_channels ? width - d : rounded_channels;
    float scaled[rounded_channels];
    uint16_t rounded[rounded_channels + 1] = {0};
    for (size_t i = 0; i < now; i++) scaled[i] = row[d + i] * scale;
    segmoe_f32_to_bf16(scaled, rounded, now);
    for (size_t p = 0; p < attention_steps(now); p++) memcpy(steps + (d / 2 + p) * apart, rounded + 2 * p, sizeof(float));
  }
}

// The reference. Instruction sets without VDPBF16PS run it, but only tests use them here.
#define LANES 4
#define VARIANT(name) name##_reference
#define STEP(sum, x, y) VARIANT(step)(sum, x, y)
#define STORED(weights) VARIANT(stored)(weights)
typedef float floats_reference __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t bits_reference __attribute__((vector_size(16), aligned(4), may_alias));

static inline floats_reference step_reference(floats_reference sum, floats_reference x, float y) {
  int32_t bits;
  memcpy(&bits, &y, sizeof bits);
  const bits_reference left = (bits_reference)x, right = (bits_reference){0} + bits;
  const int32_t upper = (int32_t)0xffff0000;
  sum = (floats_reference)(left & upper) * (floats_reference)(right & upper) + sum;
  return (floats_reference)(left << 16) * (floats_reference)(right << 16) + sum;
}

static inline floats_reference stored_reference(const floats_reference *weights) {
  floats_reference pairs;
  for (int i = 0; i < LANES; i++) pairs[i] = pair_of(weights[0][i], weights[1][i]);
  return pairs;
}
#include "attention_body.h"
#undef LANES
#undef VARIANT

#if defined(__x86_64__)
#define LANES 16
#define VARIANT(name) name##_native
BEGIN_SET(SEGMOE_SET_BF16)
typedef float floats_native __attribute__((vector_size(64), aligned(4), may_alias));

static inline __attribute__((always_inline)) floats_native step_native(floats_native sum, floats_native x,
                                                                       float y) {
  int32_t bits;
  memcpy(&bits, &y, sizeof bits);
  return (floats_native)_mm512_dpbf16_ps((__m512)sum, (__m512bh)x, (__m512bh)_mm512_set1_epi32(bits));
}

static inline __attribute__((always_inline)) floats_native stored_native(const floats_native *weights) {
  // All first weights come before all second ones: each is moved to its pair.
  uint16_t places[32];
  for (uint16_t i = 0; i < 32; i++) places[i] = (uint16_t)(i / 2 + i % 2 * 16);
  const __m512i rounded = (__m512i)_mm512_cvtne2ps_pbh((__m512)weights[1], (__m512)weights[0]);
  return (floats_native)_mm512_permutexvar_epi16(_mm512_loadu_si512(places), rounded);
}
#include "attention_body.h"
END_SET
#undef VARIANT

// On tiles, weights are rounded as for VDPBF16PS.
#undef ON_TILES
#define ON_TILES 1
#define VARIANT(name) name##_tiles
BEGIN_SET(SEGMOE_SET_AMX)
typedef floats_native floats_tiles;
#define stored_tiles stored_native
#include "attention_body.h"
END_SET
#endif

size_t segmoe_packed_keys_bf16_size_at(segmoe_product_isa isa, size_t keys, size_t width) {
  return packed_steps(layout_of(is_on_tiles(isa), attention_steps(width)), keys);
}

size_t segmoe_packed_values_bf16_size_at(segmoe_product_isa isa, size_t keys, size_t width) {
  return packed_steps(layout_of(is_on_tiles(isa), attention_steps(keys)), width);
}

// Values that are rounded at a time, an even number.
enum { rounded_values = 64 };

void segmoe_pack_keys_bf16_at(segmoe_product_isa isa, const float *keys, size_t stride, size_t count, size_t width,
                              void *packed, size_t first, size_t last) {
  const size_t pairs = attention_steps(width);
  const attention_layout layout = layout_of(is_on_tiles(isa), pairs);
  for (size_t key = first * ATTENTION_PANEL; key < last * ATTENTION_PANEL; key++)
    for (size_t d = 0; d < width; d += rounded_values) {
      const size_t now = width - d < rounded_values ? width - d : rounded_values;
      uint16_t rounded[rounded_values + 1] = {0};
      if (key < count) segmoe_f32_to_bf16(keys + key * stride + d, rounded, now);
      for (size_t p = 0; p < attention_steps(now); p++)
        ((uint32_t *)packed)[place_of(layout, key, d / 2 + p)] = rounded[2 * p] | (uint32_t)rounded[2 * p + 1] << 16;
      // Tiles are whole.
      if (d + now == width)
        for (size_t p = pairs; p < layout.steps; p++) ((uint32_t *)packed)[place_of(layout, key, p)] = 0;
    }
}

void segmoe_pack_values_bf16_at(segmoe_product_isa isa, const float *values, size_t stride, size_t count, size_t width,
                                void *packed, size_t first, size_t last) {
  const attention_layout layout = layout_of(is_on_tiles(isa), attention_steps(count));
  const size_t end = last * ATTENTION_PANEL < count ? last * ATTENTION_PANEL / 2 : layout.steps;
  for (size_t pair = first * ATTENTION_PANEL / 2; pair < end; pair++)
    for (size_t d = 0; d < width; d += rounded_values) {
      const size_t now = width - d < rounded_values ? width - d : rounded_values;
      uint16_t rounded[2][rounded_values] = {{0}};
      for (size_t i = 0; i < 2; i++)
        if (2 * pair + i < count) segmoe_f32_to_bf16(values + (2 * pair + i) * stride + d, rounded[i], now);
      for (size_t c = 0; c < attention_rounded(now); c++)
        ((uint32_t *)packed)[place_of(layout, d + c, pair)] = rounded[0][c] | (uint32_t)rounded[1][c] << 16;
    }
}

void segmoe_attend_bf16_at(segmoe_product_isa isa, const segmoe_attention *shape, const float *query, size_t first,
                           size_t rows, const void *keys, const void *values, float *result, float *scratch) {
  switch (isa) {
#if defined(__x86_64__)
  case SEGMOE_PRODUCT_AMX: attend_tiles(shape, query, first, rows, keys, values, result, scratch); break;
  case SEGMOE_PRODUCT_AVX512_BF16: attend_native(shape, query, first, rows, keys, values, result, scratch); break;
#endif
  default: attend_reference(shape, query, first, rows, keys, values, result, scratch);
  }
}
