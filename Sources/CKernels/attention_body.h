// Attention with the queries of a tile in the lanes of vectors. Scores, weights and sums of a row stay in their lane,
// and no head width is rounded up to that of a vector. A body of each_isa.h; the including file defines
//   UNIT                  values of a step: 1, or 2 if four bytes hold two of them,
//   STEP(sum, x, y)       sum + x · y over one step: x in lanes, y the same for all,
//   STORED(weights)       `UNIT` vectors of weights as `STEP` takes them,
//   attention_query       (row, width, scale, apart, steps): a query times `scale` in steps as `STEP` takes them,
//   ON_TILES              whether products are on AMX's tiles. Then there is no `STEP`.
#undef TILE_ROWS
#undef INLINE
#define TILE_ROWS (TILE_VECTORS * LANES)
#define INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("clang loop unroll(full)")

typedef float VARIANT(vector) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t VARIANT(integers) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

/// The larger of two numbers, lane by lane; the first if it is NaN.
INLINE VARIANT(vector) VARIANT(larger)(VARIANT(vector) a, VARIANT(vector) b) {
  for (int i = 0; i < LANES; i++) a[i] = b[i] > a[i] ? b[i] : a[i];
  return a;
}

/// 2^x for x ≤ 0, within 2e-7 relative; exactly 0 below -126.5. NaN stays NaN.
INLINE VARIANT(vector) VARIANT(power)(VARIANT(vector) x) {
  typedef VARIANT(vector) vector;
  typedef VARIANT(integers) integers;
  x = VARIANT(larger)(x, (vector){0} - 127.0f);
  // Adding 1.5·2^23 rounds to an integer, which is then in the low bits of the sum; 127 is the exponent's offset.
  vector shifted = x + (12582912.0f + 127.0f);
  vector f = x - (shifted - (12582912.0f + 127.0f));
  vector p = f * POWER_5 + POWER_4;
  p = p * f + POWER_3;
  p = p * f + POWER_2;
  p = p * f + POWER_1;
  p = p * f + 1.0f;
  return p * (vector)((integers)shifted << 23);
}

#if ON_TILES
#include "attention_tiles.h"
#else
#include "attention_vectors.h"
#endif

/// Causal mask: row r sees keys up to `last` + r, counted from the first key of the block. Scores of other keys become
/// −∞, and `tops` becomes the highest score that is seen.
static void VARIANT(hide)(size_t count, ptrdiff_t last, float *scores, float *tops) {
  for (size_t key = 0; key < count; key++)
    for (ptrdiff_t r = 0; r < TILE_ROWS; r++) {
      float *score = scores + key * TILE_ROWS + r;
      if ((ptrdiff_t)key > last + r) *score = -INFINITY;
      if (*score > tops[r]) tops[r] = *score;
    }
}

/// Turns scores (base-2 logarithms) into weights relative to each row's highest score. `totals` are first scaled by
/// `corrections`; then the sums of the weights are added to them.
INLINE void VARIANT(weigh)(int vectors, float *scores, size_t count, const float *tops, const float *corrections,
                           float *totals) {
  typedef VARIANT(vector) vector;
  vector top[TILE_VECTORS], sum[TILE_VECTORS];
  UNROLLED for (int v = 0; v < vectors; v++) {
    top[v] = *(const vector *)(tops + v * LANES);
    sum[v] = (vector){0};
  }
  for (size_t key = 0; key < count; key += UNIT)
    UNROLLED for (int v = 0; v < vectors; v++) {
      vector weights[UNIT];
      UNROLLED for (int u = 0; u < UNIT; u++) {
        weights[u] = (vector){0};
        if (key + u < count)
          weights[u] = VARIANT(power)(*(const vector *)(scores + (key + u) * TILE_ROWS + v * LANES) - top[v]);
        sum[v] += weights[u];
      }
      *(vector *)(scores + key / UNIT * TILE_ROWS + v * LANES) = STORED(weights);
    }
  UNROLLED for (int v = 0; v < vectors; v++) {
    vector *total = (vector *)(totals + v * LANES);
    *total = *total * *(const vector *)(corrections + v * LANES) + sum[v];
  }
}

/// The running state of a tile of rows, updated block by block along the keys.
typedef struct {
  /// `[step][row]`; `[channel][row]`, Σ weight · value.
  float *queries, *mixed;
  /// Σ weight and the highest score of each row.
  float *totals, *tops;
} VARIANT(running);

INLINE void VARIANT(look)(int vectors, const segmoe_attention *shape, ptrdiff_t first, const float *keys,
                          const float *values, size_t key, size_t count, float *scores, VARIANT(running) run) {
  typedef VARIANT(vector) vector;
  const size_t depth = attention_depth(shape->width), channels = attention_channels(shape->width);
  float before[TILE_ROWS], corrections[TILE_ROWS];
  memcpy(before, run.tops, sizeof before);
  VARIANT(score)(vectors, run.queries, keys + key * depth, count, depth, scores, run.tops);
  if (shape->causal && (size_t)first + 1 < key + count) {
    memcpy(run.tops, before, sizeof before);
    VARIANT(hide)(count, first - (ptrdiff_t)key, scores, run.tops);
  }
  UNROLLED for (int v = 0; v < vectors; v++) {
    const vector change = *(vector *)(before + v * LANES) - *(vector *)(run.tops + v * LANES);
    *(vector *)(corrections + v * LANES) = VARIANT(power)(change);
  }
  VARIANT(weigh)(vectors, scores, count, run.tops, corrections, run.totals);
  VARIANT(mix)(vectors, scores, attention_steps(count), values + key / UNIT * ATTENTION_SIDE,
               attention_depth(shape->keys) * ATTENTION_SIDE, channels, corrections, run.mixed);
}

/// The part of a tile that a tile of rows begins at `tile`.
INLINE VARIANT(running) VARIANT(running_of)(float *scratch, size_t tile, size_t depth, size_t channels) {
  float *start = scratch + tile * (depth + channels + 2) * TILE_ROWS;
  float *mixed = start + depth * TILE_ROWS;
  float *totals = mixed + channels * TILE_ROWS;
  return (VARIANT(running)){start, mixed, totals, totals + TILE_ROWS};
}

static void VARIANT(attend)(const segmoe_attention *shape, const float *query, size_t first, size_t rows,
                            const float *keys, const float *values, float *result, float *scratch) {
  const size_t depth = attention_depth(shape->width), channels = attention_channels(shape->width);
  const size_t tiles = (rows + TILE_ROWS - 1) / TILE_ROWS, block = attention_block;
  float *scores = scratch + tiles * (depth + channels + 2) * TILE_ROWS;
  // Weights are powers of two.
  const float scale = shape->scale * 1.44269504088896341f;
  BEGIN_TILES();
  for (size_t tile = 0; tile < tiles; tile++) {
    const VARIANT(running) run = VARIANT(running_of)(scratch, tile, depth, channels);
    memset(run.queries, 0, (size_t)(run.tops - run.queries) * sizeof(float));
    for (size_t r = 0; r < TILE_ROWS; r++) {
      const size_t row = tile * TILE_ROWS + r;
      run.tops[r] = -INFINITY;
      if (row >= rows) continue;
      attention_query(query + row * shape->stride, shape->width, scale, TILE_ROWS, run.queries + r);
    }
  }
  // Tile by tile, so that a block of keys and values is read from memory once.
  for (size_t key = 0; key < shape->keys; key += block)
    for (size_t tile = 0; tile < tiles; tile++) {
      const size_t start = tile * TILE_ROWS, now = rows - start < TILE_ROWS ? rows - start : TILE_ROWS;
      // In causal attention, only keys up to the last row count.
      size_t seen = shape->keys;
      if (shape->causal && first + start + now < seen) seen = first + start + now;
      if (key >= seen) continue;
      const size_t count = seen - key < block ? seen - key : block;
      const ptrdiff_t row = (ptrdiff_t)(first + start);
      const VARIANT(running) run = VARIANT(running_of)(scratch, tile, depth, channels);
      switch ((now + LANES - 1) / LANES) {
      case 3: VARIANT(look)(3, shape, row, keys, values, key, count, scores, run); break;
      case 2: VARIANT(look)(2, shape, row, keys, values, key, count, scores, run); break;
      default: VARIANT(look)(1, shape, row, keys, values, key, count, scores, run);
      }
    }
  END_TILES();
  for (size_t row = 0; row < rows; row++) {
    const VARIANT(running) run = VARIANT(running_of)(scratch, row / TILE_ROWS, depth, channels);
    const float *mixed = run.mixed + row % TILE_ROWS;
    const float inverse = 1.0f / run.totals[row % TILE_ROWS];
#pragma clang loop vectorize(disable)
    for (size_t d = 0; d < shape->width; d++)
      result[row * shape->result_stride + d] = mixed[d * TILE_ROWS] * inverse;
  }
}
#undef UNROLLED
