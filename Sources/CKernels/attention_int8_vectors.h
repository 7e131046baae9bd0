// The two products of attention in int8 in vectors, where each row has a lane: a part of attention_int8_body.h.
#undef BEGIN_TILES
#undef END_TILES
#define BEGIN_TILES()
#define END_TILES()

/// Queries keep their zero point: the offsets of keys make up for it.
INLINE void VARIANT(center)(int32_t *queries, size_t depth) { (void)queries, (void)depth; }

/// sum[channel][vector] += Σ x · y over so many steps: rows of `x` are `TILE_ROWS` steps apart, of `y` a panel's width.
INLINE void VARIANT(sums)(int vectors, const int32_t *x, const int32_t *y, size_t steps,
                          VARIANT(integers) sum[CHANNELS][TILE_VECTORS]) {
  typedef VARIANT(integers) integers;
  for (size_t step = 0; step < steps; step++, x += TILE_ROWS, y += ATTENTION_PANEL) {
    UNROLLED for (int c = 0; c < CHANNELS; c++) {
      // Sums, a number and a product take 14 of 16 registers: rows are read where they are used, not kept.
      if (FEW_REGISTERS) __asm__ volatile("" ::: "memory");
      UNROLLED for (int v = 0; v < vectors; v++)
        sum[c][v] = DOT(sum[c][v], *(const integers *)(x + v * LANES), y[c]);
    }
  }
}

/// Integer scores of `count` keys, `[key][row]`, and the highest of each row.
INLINE void VARIANT(score)(int vectors, const int32_t *queries, const packed_keys *keys, size_t first, size_t count,
                           size_t depth, int32_t *scores, int32_t *highest) {
  typedef VARIANT(integers) integers;
  integers high[TILE_VECTORS];
  UNROLLED for (int v = 0; v < vectors; v++) high[v] = (integers){0} + INT32_MIN;
  for (size_t key = 0; key < count; key += CHANNELS) {
    integers sum[CHANNELS][TILE_VECTORS];
    UNROLLED for (int c = 0; c < CHANNELS; c++)
      UNROLLED for (int v = 0; v < vectors; v++) sum[c][v] = (integers){0} + keys->offsets[first + key + c];
    const size_t panel = (first + key) / ATTENTION_PANEL * ATTENTION_PANEL;
    VARIANT(sums)(vectors, queries, keys->steps + panel * depth + key % ATTENTION_PANEL, depth, sum);
    UNROLLED for (int c = 0; c < CHANNELS; c++)
      if (key + c < count)
        UNROLLED for (int v = 0; v < vectors; v++) {
          high[v] = __builtin_elementwise_max(high[v], sum[c][v]);
          *(integers *)(scores + (key + c) * TILE_ROWS + v * LANES) = sum[c][v];
        }
  }
  UNROLLED for (int v = 0; v < vectors; v++) *(integers *)(highest + v * LANES) = high[v];
}

/// mixed[channel][row] = mixed · earlier + Σ weight · value · now over so many steps of keys; panels of channels are
/// `panel` steps apart.
INLINE void VARIANT(mix)(int vectors, const int32_t *weights, size_t steps, const int32_t *values, size_t panel,
                         size_t channels, const float *earlier, const float *now, float *mixed) {
  typedef VARIANT(integers) integers;
  typedef VARIANT(vector) vector;
  for (size_t channel = 0; channel < channels; channel += CHANNELS) {
    integers sum[CHANNELS][TILE_VECTORS];
    UNROLLED for (int c = 0; c < CHANNELS; c++)
      UNROLLED for (int v = 0; v < vectors; v++) sum[c][v] = (integers){0};
    VARIANT(sums)(vectors, weights, values + channel / ATTENTION_PANEL * panel + channel % ATTENTION_PANEL, steps, sum);
    UNROLLED for (int c = 0; c < CHANNELS; c++)
      UNROLLED for (int v = 0; v < vectors; v++) {
        vector *out = (vector *)(mixed + (channel + c) * TILE_ROWS + v * LANES);
        *out = FMA(__builtin_convertvector(sum[c][v], vector), *(const vector *)(now + v * LANES),
                   *out * *(const vector *)(earlier + v * LANES));
      }
  }
}

