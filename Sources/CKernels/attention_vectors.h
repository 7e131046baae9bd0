// The two products of attention in vectors, where each row has a lane: a part of attention_body.h.
#undef BEGIN_TILES
#undef END_TILES
#define BEGIN_TILES()
#define END_TILES()

/// sum[channel][vector] = Σ x · y over so many steps: rows of `x` are `TILE_ROWS` floats apart, of `y` a panel's width.
INLINE void VARIANT(sums)(int vectors, const float *x, const float *y, size_t steps,
                          VARIANT(vector) sum[CHANNELS][TILE_VECTORS]) {
  typedef VARIANT(vector) vector;
  UNROLLED for (int c = 0; c < CHANNELS; c++)
    UNROLLED for (int v = 0; v < vectors; v++) sum[c][v] = (vector){0};
  for (size_t step = 0; step < steps; step++, x += TILE_ROWS, y += ATTENTION_PANEL) {
    vector rows[TILE_VECTORS];
    UNROLLED for (int v = 0; v < vectors; v++) rows[v] = *(const vector *)(x + v * LANES);
    UNROLLED for (int c = 0; c < CHANNELS; c++) {
      // Sums and rows take 15 of 16 registers: the next number must not be loaded before this one has been used.
      if (FEW_REGISTERS) __asm__ volatile("" ::: "memory");
      UNROLLED for (int v = 0; v < vectors; v++) sum[c][v] = STEP(sum[c][v], rows[v], y[c]);
    }
  }
}

/// Scores of `count` keys, `[key][row]`, and the highest of each row so far.
INLINE void VARIANT(score)(int vectors, const float *queries, const float *keys, size_t count, size_t depth,
                           float *scores, float *tops) {
  typedef VARIANT(vector) vector;
  vector high[TILE_VECTORS];
  UNROLLED for (int v = 0; v < vectors; v++) high[v] = *(const vector *)(tops + v * LANES);
  for (size_t key = 0; key < count; key += CHANNELS) {
    vector sum[CHANNELS][TILE_VECTORS];
    const float *panel = keys + key / ATTENTION_PANEL * ATTENTION_PANEL * depth + key % ATTENTION_PANEL;
    VARIANT(sums)(vectors, queries, panel, depth, sum);
    UNROLLED for (int c = 0; c < CHANNELS; c++)
      if (key + c < count)
        UNROLLED for (int v = 0; v < vectors; v++) {
          high[v] = VARIANT(larger)(high[v], sum[c][v]);
          *(vector *)(scores + (key + c) * TILE_ROWS + v * LANES) = sum[c][v];
        }
  }
  UNROLLED for (int v = 0; v < vectors; v++) *(vector *)(tops + v * LANES) = high[v];
}

/// mixed[channel][row] = mixed · correction + Σ weight · value over so many steps of keys; panels of channels are
/// `panel` floats apart.
INLINE void VARIANT(mix)(int vectors, const float *weights, size_t steps, const float *values, size_t panel,
                         size_t channels, const float *corrections, float *mixed) {
  typedef VARIANT(vector) vector;
  for (size_t channel = 0; channel < channels; channel += CHANNELS) {
    vector sum[CHANNELS][TILE_VECTORS];
    VARIANT(sums)(vectors, weights, values + channel / ATTENTION_PANEL * panel + channel % ATTENTION_PANEL, steps, sum);
    UNROLLED for (int c = 0; c < CHANNELS; c++)
      UNROLLED for (int v = 0; v < vectors; v++) {
        vector *out = (vector *)(mixed + (channel + c) * TILE_ROWS + v * LANES);
        *out = *out * *(const vector *)(corrections + v * LANES) + sum[c][v];
      }
  }
}

