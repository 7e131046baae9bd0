// The two products of attention on AMX's tiles: a part of attention_body.h. Scores, weights and sums lie as there. A row
// of tile A is a key or a channel, a row of tile B a step of all rows.
#undef BEGIN_TILES
#undef END_TILES
#define BEGIN_TILES() configure_whole_tiles()
#define END_TILES() _tile_release()

/// Scores of `count` keys, `[key][row]`, and the highest of each row so far. Keys are `[tile of keys][tile of steps]`.
INLINE void VARIANT(score)(int vectors, const float *queries, const float *keys, size_t count, size_t depth,
                           float *scores, float *tops) {
  typedef VARIANT(vector) vector;
  for (size_t key = 0; key < count; key += ATTENTION_TILE)
    multiply_tiles(PAIRS, vectors, (const char *)(keys + key * depth), depth / ATTENTION_TILE, queries,
                   scores + key * TILE_ROWS, TILE_ROWS * sizeof(float));
  UNROLLED for (int v = 0; v < vectors; v++) {
    vector high = *(const vector *)(tops + v * LANES);
    for (size_t key = 0; key < count; key++)
      high = VARIANT(larger)(high, *(const vector *)(scores + key * TILE_ROWS + v * LANES));
    *(vector *)(tops + v * LANES) = high;
  }
}

/// mixed[channel][row] = mixed · correction + Σ weight · value over so many steps of keys. Values are
/// `[tile of channels][tile of steps]`, a tile of channels is `panel` floats. After the last step `weights` are overwritten.
INLINE void VARIANT(mix)(int vectors, float *weights, size_t steps, const float *values, size_t panel, size_t channels,
                         const float *corrections, float *mixed) {
  typedef VARIANT(vector) vector;
  // What lies there would be multiplied with zeros, and may not be a number.
  memset(weights + steps * TILE_ROWS, 0, (attention_whole(steps) - steps) * TILE_ROWS * sizeof(float));
  for (size_t channel = 0; channel < channels; channel += ATTENTION_TILE) {
    _Alignas(64) float sums[ATTENTION_TILE][TILE_ROWS];
    multiply_tiles(PAIRS, vectors, (const char *)(values + channel / ATTENTION_TILE * panel), attention_whole(steps) / ATTENTION_TILE,
                   weights, sums, sizeof sums[0]);
    for (int c = 0; c < ATTENTION_TILE; c++)
      UNROLLED for (int v = 0; v < vectors; v++) {
        vector *out = (vector *)(mixed + (channel + (size_t)c) * TILE_ROWS + v * LANES);
        *out = *out * *(const vector *)(corrections + v * LANES) + *(const vector *)(sums[c] + v * LANES);
      }
  }
}
