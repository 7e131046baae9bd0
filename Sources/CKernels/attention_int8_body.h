// Attention in int8 with the queries of a tile in the lanes of vectors, as in attention_body.h. The including file defines
//   LANES                   numbers of four bytes in a vector,
//   UNIT                    numbers of a step,
//   VARIANT(powers)         what attention_powers.h has for this set,
//   DOT(sum, x, y)          sum + x · y over one step: x, of 0…255, in lanes, y, of −127…127, the same for all,
//   VARIANT(name)           the name in this set,
//   ON_TILES                whether products are on AMX's tiles. Then `DOT` only sums weights.
#undef TILE_ROWS
#undef INLINE
#define TILE_ROWS (TILE_VECTORS * LANES)
#define INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("clang loop unroll(full)")

typedef float VARIANT(vector) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#if ON_TILES
#include "attention_int8_tiles.h"
#else
#include "attention_int8_vectors.h"
#endif

/// 2^x for x ≤ 0 within 1.1e-4 relative, 1 for 0, and 0 from −127 downwards. NaN stays NaN.
INLINE VARIANT(vector) VARIANT(power)(VARIANT(vector) x) {
  typedef VARIANT(vector) vector;
  for (int i = 0; i < LANES; i++) x[i] = -127.0f > x[i] ? -127.0f : x[i];
  // Adding 1.5·2^23 rounds to an integer, which is then in the low bits of the sum; 127 is the exponent's offset.
  const vector shifted = x + (12582912.0f + 127.0f);
  const vector f = x - (shifted - (12582912.0f + 127.0f));
  const vector whole = (vector)((VARIANT(integers))shifted << 23);
  vector p = FMA(f, (vector){0} + SHORT_POWER_3, (vector){0} + SHORT_POWER_2);
  p = FMA(p, f, (vector){0} + SHORT_POWER_1);
  return FMA(p, f, (vector){0} + 1.0f) * whole;
}

/// Distances of scores to the highest, as attention_powers.h has them. `scale` is −64 times that of scores.
INLINE VARIANT(integers) VARIANT(distances)(const int32_t *scores, VARIANT(integers) highest, VARIANT(vector) scale) {
  typedef VARIANT(vector) vector;
  const VARIANT(integers) below = *(const VARIANT(integers) *)scores - highest;
  // The integer is in the low bits of a sum.
  vector t = FMA(__builtin_convertvector(below, vector), scale, (vector){0} + (12582912.0f + nearest_distance));
  for (int i = 0; i < LANES; i++) t[i] = t[i] < 12582912.0f + farthest_distance ? t[i] : 12582912.0f + farthest_distance;
  return (VARIANT(integers))t;
}

/// Weights of one step's keys, 0…255 of their block's highest: those of keys beyond `some` are 0.
INLINE VARIANT(integers) VARIANT(weights)(size_t some, const int32_t *scores, VARIANT(integers) highest, VARIANT(vector) scale) {
  typedef VARIANT(integers) integers;
  // Numbers of a step that are half of its numbers apart go through the powers together.
  integers step = {0};
  UNROLLED for (size_t u = 0; u < UNIT / 2; u++) {
    integers low = (integers){0} + farthest_distance, high = low;
    if (u < some) low = VARIANT(distances)(scores + u * TILE_ROWS, highest, scale);
    if (u + UNIT / 2 < some) high = VARIANT(distances)(scores + (u + UNIT / 2) * TILE_ROWS, highest, scale);
    step |= VARIANT(powers)((low & 0xffff) | high << 16) << (int)(8 * u);
  }
  return step;
}

/// Turns scores into weights, step by step, and sums the weights of each row.
INLINE void VARIANT(weigh)(int vectors, int32_t *scores, size_t count, const int32_t *highest, const float *scales,
                           float *totals) {
  typedef VARIANT(integers) integers;
  typedef VARIANT(vector) vector;
  const int32_t ones = UNIT == 4 ? 0x01010101 : 0x00010001;
  integers high[TILE_VECTORS], sum[TILE_VECTORS];
  vector scale[TILE_VECTORS];
  UNROLLED for (int v = 0; v < vectors; v++) {
    high[v] = *(const integers *)(highest + v * LANES);
    scale[v] = *(const vector *)(scales + v * LANES) * -(float)distance_steps;
    sum[v] = (integers){0};
  }
  for (size_t key = 0; key < count; key += UNIT)
    UNROLLED for (int v = 0; v < vectors; v++) {
      const int32_t *from = scores + key * TILE_ROWS + v * LANES;
      const integers step = key + UNIT <= count ? VARIANT(weights)(UNIT, from, high[v], scale[v])
                                                : VARIANT(weights)(count - key, from, high[v], scale[v]);
      sum[v] = DOT(sum[v], step, ones);
      *(integers *)(scores + key / UNIT * TILE_ROWS + v * LANES) = step;
    }
  UNROLLED for (int v = 0; v < vectors; v++)
    *(vector *)(totals + v * LANES) = __builtin_convertvector(sum[v], vector);
}

/// The running state of a tile of rows, updated block by block along the keys.
typedef struct {
  /// `[step][row]`.
  int32_t *queries;
  /// `[channel][row]`, Σ weight · value; Σ weight; the highest score of each row so far, as a base-2 logarithm; what a
  /// score of 1 is as such a logarithm, but for the keys' scale.
  float *mixed, *totals, *tops, *scales;
} VARIANT(running);

INLINE void VARIANT(look)(int vectors, const segmoe_attention *shape, const packed_keys *keys,
                          const packed_values *values, size_t key, size_t count, int32_t *scores,
                          VARIANT(running) run) {
  typedef VARIANT(vector) vector;
  const size_t depth = attention_depth(shape->width), channels = attention_channels(shape->width);
  int32_t highest[TILE_ROWS];
  float scales[TILE_ROWS], sums[TILE_ROWS], earlier[TILE_ROWS], now[TILE_ROWS];
  VARIANT(score)(vectors, run.queries, keys, key, count, depth, scores, highest);
  UNROLLED for (int v = 0; v < vectors; v++) {
    const vector scale = *(vector *)(run.scales + v * LANES) * keys->scales[key / attention_block];
    const vector here = __builtin_convertvector(*(VARIANT(integers) *)(highest + v * LANES), vector) * scale;
    const vector before = *(vector *)(run.tops + v * LANES);
    vector top = before;
    for (int i = 0; i < LANES; i++) top[i] = here[i] > top[i] ? here[i] : top[i];
    *(vector *)(earlier + v * LANES) = VARIANT(power)(before - top);
    *(vector *)(now + v * LANES) = VARIANT(power)(here - top);
    *(vector *)(run.tops + v * LANES) = top;
    *(vector *)(scales + v * LANES) = scale;
  }
  VARIANT(weigh)(vectors, scores, count, highest, scales, sums);
  UNROLLED for (int v = 0; v < vectors; v++) {
    vector *total = (vector *)(run.totals + v * LANES);
    *total = FMA(*(vector *)(sums + v * LANES), *(vector *)(now + v * LANES), *total * *(vector *)(earlier + v * LANES));
  }
  VARIANT(mix)(vectors, scores, attention_steps(count), values->steps + key / UNIT * ATTENTION_SIDE,
               attention_depth(shape->keys) * ATTENTION_SIDE, channels, earlier, now, run.mixed);
}

INLINE VARIANT(running) VARIANT(running_of)(float *scratch, size_t tile, size_t depth, size_t channels) {
  float *start = scratch + tile * (depth + channels + 3) * TILE_ROWS, *mixed = start + depth * TILE_ROWS;
  float *totals = mixed + channels * TILE_ROWS;
  return (VARIANT(running)){(int32_t *)start, mixed, totals, totals + TILE_ROWS, totals + 2 * TILE_ROWS};
}

static void VARIANT(attend)(const segmoe_attention *shape, const float *query, size_t rows, const void *packed,
                            const void *packed_v, float *result, float *scratch) {
  const size_t depth = attention_depth(shape->width), channels = attention_channels(shape->width);
  const size_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS;
  const packed_keys keys = packed_keys_at(packed, shape->keys, shape->width);
  const packed_values values = packed_values_at(packed_v, shape->width);
  // Weights are powers of two.
  const float scale = shape->scale * 1.44269504088896341f;
  int32_t *scores = (int32_t *)scratch + tiles * (depth + channels + 3) * TILE_ROWS;
  BEGIN_TILES();
  for (size_t tile = 0; tile < tiles; tile++) {
    const VARIANT(running) run = VARIANT(running_of)(scratch, tile, depth, channels);
    memset(run.queries, 0, (size_t)(run.tops - (float *)run.queries) * sizeof(float));
    for (size_t r = 0; r < TILE_ROWS; r++) {
      const size_t row = tile * TILE_ROWS + r;
      run.tops[r] = -INFINITY;
      run.scales[r] = 0;
      if (row < rows)
        run.scales[r] = scale * segmoe_round_query_int8(query + row * shape->stride, &keys, shape->width, UNIT, TILE_ROWS,
                                                        run.queries + r);
    }
    VARIANT(center)(run.queries, depth);
  }
  // Tile by tile, so that a block of keys and values is read from memory once.
  for (size_t key = 0; key < shape->keys; key += attention_block)
    for (size_t tile = 0; tile < tiles; tile++) {
      const size_t start = tile * TILE_ROWS, now = rows - start < TILE_ROWS ? rows - start : TILE_ROWS;
      const size_t count = shape->keys - key < attention_block ? shape->keys - key : attention_block;
      const VARIANT(running) run = VARIANT(running_of)(scratch, tile, depth, channels);
      switch ((now + LANES - 1) / LANES) {
      case 3: VARIANT(look)(3, shape, &keys, &values, key, count, scores, run); break;
      case 2: VARIANT(look)(2, shape, &keys, &values, key, count, scores, run); break;
      default: VARIANT(look)(1, shape, &keys, &values, key, count, scores, run);
      }
    }
  END_TILES();
  for (size_t row = 0; row < rows; row++) {
    const VARIANT(running) run = VARIANT(running_of)(scratch, row / TILE_ROWS, depth, channels);
    const float *mixed = run.mixed + row % TILE_ROWS;
    const float inverse = 1.0f / run.totals[row % TILE_ROWS];
#pragma clang loop vectorize(disable)
    for (size_t d = 0; d < shape->width; d++)
      result[row * shape->result_stride + d] = mixed[d * TILE_ROWS] * inverse * values.scale[d] + values.mean[d];
  }
}
#undef UNROLLED
