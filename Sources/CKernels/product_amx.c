// The microkernels of AMX (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2: LDTILECFG, TILELOADD,
// TDPBF16PS, TDPBUSD, TILESTORED). A panel's steps, 16 columns of four bytes, are just what a tile of the second operand
// holds in a row, so that weights are packed as for all other sets. A step is a pair or a quad.
#include "product_amx.h"
#include "macrokernel.h"
#include "scaled_sums.h"

#if defined(__x86_64__)
// Rows of a tile, and steps: four bytes of 64. Steps of irregular rows that are copied at a time.
enum { tile_height = 16, tile_steps = 16, copied_steps = 256 };

/// Bytes from a row of sums to the next one.
#define SUMS_APART (SEGMOE_GROUP * 4)

/// What LDTILECFG reads. Tiles 0 to 3 are sums, `[tile of rows][panel]`, 4 and 5 the values of rows, 6 and 7 panels.
typedef struct tile_shapes {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_shapes;

static void set_shape(tile_shapes *shapes, int tile, size_t rows, size_t row_bytes) {
  // A tile of no rows has no bytes either, or it is a fault.
  shapes->rows[tile] = (uint8_t)rows;
  shapes->row_bytes[tile] = (uint16_t)(rows == 0 ? 0 : row_bytes);
}

/// Shapes for so many rows and steps of a tile. LDTILECFG clears all tiles.
SEGMOE_TILE(SEGMOE_SET_AMX)
void configure(size_t rows, size_t steps) {
  tile_shapes shapes = {.palette = 1};
  for (int half = 0; half < 2; half++) {
    const size_t here = half == 0 ? (rows < tile_height ? rows : tile_height) : rows > tile_height ? rows - tile_height : 0;
    for (int panel = 0; panel < 2; panel++) set_shape(&shapes, 2 * half + panel, here, 64);
    set_shape(&shapes, 4 + half, here, steps * 4);
    set_shape(&shapes, 6 + half, steps, 64);
  }
  _tile_loadconfig(&shapes);
}

#define MULTIPLY(sum, row, column)                                                                 \
  do {                                                                                             \
    if (in_int8)                                                                                   \
      _tile_dpbusd(sum, row, column);                                                              \
    else                                                                                           \
      _tile_dpbf16ps(sum, row, column);                                                            \
  } while (0)

/// sums += rows · panels over `tiles` tiles of `steps` steps. `a` and `lower` are the rows of the two tiles, `apart` bytes
/// from row to row.
SEGMOE_TILE(SEGMOE_SET_AMX)
void multiply(const int in_int8, const int two_tiles, const int two_panels, const char *a, const char *lower, size_t apart,
              const char *b, size_t panel, size_t tiles, size_t steps, char *sums) {
  char *lower_sums = sums + tile_height * SUMS_APART;
  _tile_loadd(0, sums, SUMS_APART);
  if (two_panels) _tile_loadd(1, sums + 64, SUMS_APART);
  if (two_tiles) _tile_loadd(2, lower_sums, SUMS_APART);
  if (two_tiles && two_panels) _tile_loadd(3, lower_sums + 64, SUMS_APART);
  for (size_t t = 0; t < tiles; t++, a += steps * 4, lower += steps * 4, b += steps * 64) {
    _tile_loadd(6, b, 64);
    _tile_loadd(4, a, apart);
    MULTIPLY(0, 4, 6);
    if (two_panels) {
      _tile_loadd(7, b + panel, 64);
      MULTIPLY(1, 4, 7);
    }
    if (two_tiles) {
      _tile_loadd(5, lower, apart);
      MULTIPLY(2, 5, 6);
      if (two_panels) MULTIPLY(3, 5, 7);
    }
  }
  _tile_stored(0, sums, SUMS_APART);
  if (two_panels) _tile_stored(1, sums + 64, SUMS_APART);
  if (two_tiles) _tile_stored(2, lower_sums, SUMS_APART);
  if (two_tiles && two_panels) _tile_stored(3, lower_sums + 64, SUMS_APART);
}

/// The same for all panels, two at a time.
SEGMOE_TILE(SEGMOE_SET_AMX)
void multiply_panels(const int in_int8, size_t rows, size_t panels, const char *a, size_t apart, const char *b,
                     size_t panel, size_t tiles, size_t steps, char *sums) {
  const char *lower = a + tile_height * apart;
  for (size_t p = 0; p < panels; p += 2, b += 2 * panel, sums += 2 * 64)
    switch ((rows > tile_height) * 2 + (p + 1 < panels)) {
    case 3: multiply(in_int8, 1, 1, a, lower, apart, b, panel, tiles, steps, sums); break;
    case 2: multiply(in_int8, 1, 0, a, lower, apart, b, panel, tiles, steps, sums); break;
    case 1: multiply(in_int8, 0, 1, a, a, apart, b, panel, tiles, steps, sums); break;
    default: multiply(in_int8, 0, 0, a, a, apart, b, panel, tiles, steps, sums);
    }
}

/// Whether rows are equally far from each other, as a linear layer's are. A convolution's are where its pixels are.
static int is_regular(size_t rows, const char *const *a) {
  for (size_t r = 2; r < rows; r++)
    if (a[r] - a[r - 1] != a[1] - a[0]) return 0;
  return 1;
}

/// sums += rows · panels over all steps. The values of rows begin `skipped` bytes after `a`. What is left of the steps is
/// multiplied in tiles of that shape, so that nothing beyond rows and panels is read.
SEGMOE_TILE(SEGMOE_SET_AMX)
void add_products(const int in_int8, size_t rows, size_t panels, const char *const *a, size_t skipped, const char *b,
                  size_t panel, size_t steps, char *sums) {
  const int regular = is_regular(rows, a);
  const size_t at_a_time = regular ? steps : copied_steps;
  _Alignas(64) char copied[amx_rows][copied_steps * 4];
  for (size_t start = 0; start < steps; start += at_a_time) {
    const size_t now = steps - start < at_a_time ? steps - start : at_a_time, rest = now % tile_steps;
    const char *from = a[0] + skipped + start * 4;
    size_t apart = rows > 1 ? (size_t)(a[1] - a[0]) : 0;
    if (!regular) {
      for (size_t r = 0; r < rows; r++) memcpy(copied[r], a[r] + skipped + start * 4, now * 4);
      from = copied[0], apart = sizeof copied[0];
    }
    if (now >= tile_steps) {
      configure(rows, tile_steps);
      multiply_panels(in_int8, rows, panels, from, apart, b + start * 64, panel, now / tile_steps, tile_steps, sums);
    }
    if (rest > 0) {
      configure(rows, rest);
      multiply_panels(in_int8, rows, panels, from + (now - rest) * 4, apart, b + (start + now - rest) * 64, panel, 1, rest,
                      sums);
    }
  }
  // Without tiles in use, the kernel has less to save when it switches threads.
  _tile_release();
}

SEGMOE_TARGET(SEGMOE_SET_AMX)
void segmoe_microkernel_amx_bf16(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                                 size_t pairs, float *sums) {
  add_products(0, rows, panels, a, 0, b, panel, pairs, (char *)sums);
}

SEGMOE_TARGET(SEGMOE_SET_AMX)
void segmoe_microkernel_amx_int8(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                                 size_t quads, float *sums) {
  _Alignas(64) int32_t whole[amx_rows][SEGMOE_GROUP];
  for (size_t r = 0; r < rows; r++) {
    const int32_t zero = ((const segment_head *)a[r])->zero;
    for (size_t p = 0; p < panels; p++)
      _mm512_store_si512((void *)(whole[r] + p * SEGMOE_PANEL), sums_of_zero_points((const panel_head *)(b + p * panel), zero));
  }
  add_products(1, rows, panels, a, sizeof(segment_head), b + sizeof(panel_head), panel, quads, (char *)whole);
  for (size_t r = 0; r < rows; r++)
    for (size_t p = 0; p < panels; p++)
      add_scaled_sums(_mm512_load_si512((const void *)(whole[r] + p * SEGMOE_PANEL)), (const panel_head *)(b + p * panel),
                      ((const segment_head *)a[r])->scale, sums + r * SEGMOE_GROUP + p * SEGMOE_PANEL);
}
#endif
