// The two products of attention in int8 on AMX's tiles: a part of attention_int8_body.h. Scores, weights and sums lie as
// there. A row of tile A is a key or a channel, of −127…127, a row of tile B a step of all rows, of 0…255.
#undef BEGIN_TILES
#undef END_TILES
#define BEGIN_TILES() configure_whole_tiles()
#define END_TILES() _tile_release()

/// Makes the zero point of queries 0: tiles multiply signed bytes, and scores need no offset.
INLINE void VARIANT(center)(int32_t *queries, size_t depth) {
  for (size_t i = 0; i < depth * TILE_ROWS; i++) queries[i] ^= (int32_t)0x80808080;
}

/// Integer scores of `count` keys, `[key][row]`, and the highest of each row. Keys are `[tile of keys][tile of steps]`.
INLINE void VARIANT(score)(int vectors, const int32_t *queries, const packed_keys *keys, size_t first, size_t count,
                           size_t depth, int32_t *scores, int32_t *highest) {
  typedef VARIANT(integers) integers;
  integers high[TILE_VECTORS];
  UNROLLED for (int v = 0; v < vectors; v++) high[v] = (integers){0} + INT32_MIN;
  // While vectors look through one tile's scores, tiles multiply the next.
  for (size_t key = 0; key < count + ATTENTION_TILE; key += ATTENTION_TILE) {
    if (key < count)
      multiply_tiles(SIGNED_BYTES, vectors, (const char *)(keys->steps + (first + key) * depth), depth / ATTENTION_TILE, queries,
                     scores + key * TILE_ROWS, TILE_ROWS * sizeof(int32_t));
    if (key == 0) continue;
    const int32_t *here = scores + (key - ATTENTION_TILE) * TILE_ROWS, *end = scores + (key < count ? key : count) * TILE_ROWS;
    for (; here < end; here += TILE_ROWS)
      UNROLLED for (int v = 0; v < vectors; v++) high[v] = __builtin_elementwise_max(high[v], *(const integers *)(here + v * LANES));
  }
  UNROLLED for (int v = 0; v < vectors; v++) *(integers *)(highest + v * LANES) = high[v];
}

/// mixed[channel][row] = mixed · earlier + Σ weight · value · now over so many steps of keys. Values are
/// `[tile of channels][tile of steps]`, a tile of channels is `panel` steps. After the last step `weights` are overwritten.
INLINE void VARIANT(mix)(int vectors, int32_t *weights, size_t steps, const int32_t *values, size_t panel, size_t channels,
                         const float *earlier, const float *now, float *mixed) {
  typedef VARIANT(integers) integers;
  typedef VARIANT(vector) vector;
  memset(weights + steps * TILE_ROWS, 0, (attention_whole(steps) - steps) * TILE_ROWS * sizeof(int32_t));
  // While vectors add one tile's sums, tiles multiply the next.
  _Alignas(64) int32_t sums[2][ATTENTION_TILE][TILE_ROWS];
  for (size_t tile = 0; tile <= channels / ATTENTION_TILE; tile++) {
    if (tile < channels / ATTENTION_TILE)
      multiply_tiles(TURNED_BYTES, vectors, (const char *)(values + tile * panel), attention_whole(steps) / ATTENTION_TILE, weights,
                     sums[tile % 2], sizeof sums[0][0]);
    if (tile == 0) continue;
    const int32_t(*ready)[TILE_ROWS] = sums[(tile - 1) % 2];
    for (size_t c = 0; c < ATTENTION_TILE; c++)
      UNROLLED for (int v = 0; v < vectors; v++) {
        vector *out = (vector *)(mixed + ((tile - 1) * ATTENTION_TILE + c) * TILE_ROWS + v * LANES);
        *out = FMA(__builtin_convertvector(*(const integers *)(ready[c] + v * LANES), vector),
                   *(const vector *)(now + v * LANES), *out * *(const vector *)(earlier + v * LANES));
      }
  }
}
