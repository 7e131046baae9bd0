// AMX's tiles of 16 rows of 64 bytes, all eight of one shape.
#ifndef SEGMOE_TILES_AMX_H
#define SEGMOE_TILES_AMX_H

#include "targets.h"

enum { amx_rows = 16, amx_steps = 16, amx_row_bytes = 64, amx_tile_bytes = amx_rows * amx_row_bytes };

#if defined(__x86_64__)
/// What LDTILECFG reads.
typedef struct tile_shapes {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_shapes;

/// Makes all tiles whole ones, of zeros. It takes some 300 ns, so a kernel does it once.
SEGMOE_TILE(SEGMOE_SET_AMX)
void configure_whole_tiles(void) {
  tile_shapes shapes = {.palette = 1};
  for (int tile = 0; tile < 8; tile++) shapes.rows[tile] = amx_rows, shapes.row_bytes[tile] = amx_row_bytes;
  _tile_loadconfig(&shapes);
}

/// sum += a · b, of bytes (of a from 0 on) or of bfloat16.
#define SEGMOE_ADD_PRODUCTS(in_int8, sum, a, b)                                                    \
  do {                                                                                             \
    if (in_int8)                                                                                   \
      _tile_dpbusd(sum, a, b);                                                                     \
    else                                                                                           \
      _tile_dpbf16ps(sum, a, b);                                                                   \
  } while (0)

/// What `multiply_tiles` multiplies: pairs of bfloat16, signed bytes, or signed bytes of a and bytes of b from 0 on.
enum { PAIRS, SIGNED_BYTES, TURNED_BYTES };

#define SEGMOE_ADD_PRODUCTS_OF(kind, sum, a, b)                                                    \
  do {                                                                                             \
    if ((kind) == SIGNED_BYTES)                                                                    \
      _tile_dpbssd(sum, a, b);                                                                     \
    else if ((kind) == TURNED_BYTES)                                                               \
      _tile_dpbsud(sum, a, b);                                                                     \
    else                                                                                           \
      _tile_dpbf16ps(sum, a, b);                                                                   \
  } while (0)

/// sums = a · b, of 16 rows, which `tiles` tiles side by side hold, and `vectors` ≤ 3 times 16 columns: `b` has a row of
/// columns for each step, and its rows are as far apart as those of the sums, `apart` bytes.
SEGMOE_TILE(SEGMOE_SET_AMX)
void multiply_tiles(const int kind, const int vectors, const char *a, size_t tiles, const void *b, void *sums, size_t apart) {
  const char *columns = (const char *)b;
  _tile_zero(0);
  if (vectors > 1) _tile_zero(1);
  if (vectors > 2) _tile_zero(2);
  for (size_t t = 0; t < tiles; t++, a += amx_tile_bytes, columns += amx_steps * apart) {
    _tile_loadd(3, a, amx_row_bytes);
    _tile_loadd(4, columns, apart);
    SEGMOE_ADD_PRODUCTS_OF(kind, 0, 3, 4);
    if (vectors > 1) {
      _tile_loadd(5, columns + 64, apart);
      SEGMOE_ADD_PRODUCTS_OF(kind, 1, 3, 5);
    }
    if (vectors > 2) {
      _tile_loadd(6, columns + 128, apart);
      SEGMOE_ADD_PRODUCTS_OF(kind, 2, 3, 6);
    }
  }
  _tile_stored(0, sums, apart);
  if (vectors > 1) _tile_stored(1, (char *)sums + 64, apart);
  if (vectors > 2) _tile_stored(2, (char *)sums + 128, apart);
}
#endif

#endif
