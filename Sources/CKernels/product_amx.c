// Products on AMX's tiles (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2: LDTILECFG, TILELOADD,
// TDPBF16PS, TDPBUSD, TILESTORED). A panel's steps, 16 columns of four bytes, are just what a tile of the second operand
// holds in a row, so that weights are packed as for all other sets. A step is a pair or a quad. The rows of a block are
// copied into tiles once for all its columns: multiplying takes so little time that reading scattered rows would be most of it.
#include "product_amx.h"
#include "epilogue.h"
#include "panels.h"
#include "scaled_sums.h"
#include "tiles_amx.h"

// Bytes of a block's rows and sums, about: they stay in a second-level cache, beside the columns that pass through it.
enum { block_bytes = 5 << 18, most_block_rows = 256, pair_rows = 2 * amx_rows, pair_columns = 2 * SEGMOE_PANEL };

/// Tiles that the steps of a segment fill.
static size_t tiles_of(size_t steps) { return (steps + amx_steps - 1) / amx_steps; }

/// So many rows, rounded up to whole pairs of tiles: what tiles of rows and of sums take.
static size_t whole_pairs(size_t rows) { return (rows + pair_rows - 1) / pair_rows * pair_rows; }

/// Steps of a segment. A step has four bytes.
static size_t steps_of(const segmoe_packing *packing, int in_int8) {
  return in_int8 ? quads_of(packing->depth) : (packing->depth + 1) / 2;
}

/// Bytes of one row of a block: the tiles of so many segments, and its sums in so many groups of columns.
static size_t bytes_of_row(const segmoe_packing *packing, int in_int8, size_t joined, size_t groups) {
  return joined * tiles_of(steps_of(packing, in_int8)) * amx_row_bytes +
         (packing->segments > joined ? groups : 1) * SEGMOE_GROUP * sizeof(float);
}

/// Segments that are multiplied as one: all, if they fill tiles and a whole block of them fits, since columns are read once for each
/// block. Then sums stay in tiles until they are whole: with a convolution's few channels they took as long to load and to store
/// as to add to. In int8 each segment has a scale.
static size_t joined_segments(const segmoe_packing *packing, int in_int8) {
  const int fills = steps_of(packing, in_int8) % amx_steps == 0;
  const size_t row = bytes_of_row(packing, in_int8, packing->segments, 1);
  return !in_int8 && fills && block_bytes / row >= most_block_rows ? packing->segments : 1;
}

/// Rows that go through the columns together.
static size_t rows_of_block(const segmoe_packing *packing, int in_int8, size_t groups) {
  const size_t row = bytes_of_row(packing, in_int8, joined_segments(packing, in_int8), groups);
  const size_t fitting = block_bytes / row / pair_rows * pair_rows;
  return fitting < pair_rows ? pair_rows : fitting > most_block_rows ? most_block_rows : fitting;
}

size_t segmoe_amx_product_scratch(const segmoe_packing *packing, int in_int8, size_t rows, size_t groups) {
  const size_t most = rows_of_block(packing, in_int8, groups);
  const size_t block = rows < most ? whole_pairs(rows) : most;
  return block * bytes_of_row(packing, in_int8, joined_segments(packing, in_int8), groups) + group_panels * amx_tile_bytes;
}

#if defined(__x86_64__)
/// A product, and where its parts are.
typedef struct amx_product {
  const segmoe_packing *packing;
  /// Segments that are multiplied as one. What follows is of all of them.
  size_t joined;
  /// Steps of a segment, the tiles that they fill, and those of them that they fill entirely.
  size_t steps, tiles, whole;
  /// Bytes of a segment in a panel, of all segments, and of what comes before a segment's steps, in a panel and in a row.
  size_t segment, panel, panel_head, row_head;
  /// The block's rows, `[tile of rows][tile of steps]`.
  char *rows;
  /// The last steps of a group's panels, where they do not fill a tile: filled up with zeros, `[panel]` tiles.
  char *rest;
} amx_product;

/// Copies a segment of so many rows into tiles; what they do not fill becomes 0. `a` are the rows' segments, `apart` of them
/// from one row to the next.
static void fill_tiles(const amx_product *product, const char *const *a, size_t apart, size_t rows) {
  const size_t bytes = product->steps / product->joined * 4, whole = product->whole / product->joined * amx_row_bytes;
  for (size_t r = 0; r < whole_pairs(rows); r++) {
    char *target = product->rows + r / amx_rows * product->tiles * amx_tile_bytes + r % amx_rows * amx_row_bytes;
    if (r >= rows) {
      for (size_t t = 0; t < product->tiles; t++) memset(target + t * amx_tile_bytes, 0, amx_row_bytes);
      continue;
    }
    for (size_t joined = 0; joined < product->joined; joined++) {
      const char *source = a[r * apart + joined] + product->row_head;
      for (size_t offset = 0; offset < whole; offset += amx_row_bytes, target += amx_tile_bytes)
        memcpy(target, source + offset, amx_row_bytes);
      if (whole < bytes) {
        memcpy(target, source + whole, bytes - whole);
        memset(target + bytes - whole, 0, amx_row_bytes - (bytes - whole));
      }
    }
  }
}

/// Copies the steps of a segment that do not fill a tile. `b` are the group's panels.
static void fill_rest(const amx_product *product, const char *b, size_t panels) {
  const size_t bytes = (product->steps - product->whole * amx_steps) * amx_row_bytes;
  if (bytes == 0) return;
  for (size_t p = 0; p < panels; p++) {
    memcpy(product->rest + p * amx_tile_bytes, b + p * product->panel + product->panel_head + product->whole * amx_tile_bytes, bytes);
    memset(product->rest + p * amx_tile_bytes + bytes, 0, amx_tile_bytes - bytes);
  }
}

/// Tiles 0 to 3 are sums, `[tile of rows][panel]`: adds the products of a tile of steps, of one tile of rows or two and of one
/// panel or two.
SEGMOE_TILE(SEGMOE_SET_AMX)
void multiply_step(const int in_int8, const int two_tiles, const int two_panels, const char *upper, const char *lower, const char *left,
                   const char *right) {
  _tile_loadd(6, left, amx_row_bytes);
  _tile_loadd(4, upper, amx_row_bytes);
  SEGMOE_ADD_PRODUCTS(in_int8, 0, 4, 6);
  if (two_panels) {
    _tile_loadd(7, right, amx_row_bytes);
    SEGMOE_ADD_PRODUCTS(in_int8, 1, 4, 7);
  }
  if (two_tiles) {
    _tile_loadd(5, lower, amx_row_bytes);
    SEGMOE_ADD_PRODUCTS(in_int8, 2, 5, 6);
    if (two_panels) SEGMOE_ADD_PRODUCTS(in_int8, 3, 5, 7);
  }
}

/// What is loaded into the cache meanwhile: of each tile of the next two panels `count` lines from `first` on. Each pair of rows
/// loads its share, so that all of it is there when the panels are next.
typedef struct amx_ahead {
  const char *panel;
  size_t first, count;
} amx_ahead;

/// Lines of two tiles.
enum { lines_of_two = 2 * amx_rows };

/// The share of a pair of rows that begins at `row`.
static amx_ahead share_of(const char *panel, size_t row, size_t rows) {
  const size_t pairs = (rows + pair_rows - 1) / pair_rows, count = (lines_of_two + pairs - 1) / pairs;
  const size_t first = row / pair_rows * count;
  return (amx_ahead){panel, first, first >= lines_of_two ? 0 : lines_of_two - first < count ? lines_of_two - first : count};
}

static inline void load_ahead(const amx_product *product, amx_ahead ahead, size_t tile) {
  for (size_t i = ahead.first; i < ahead.first + ahead.count; i++)
    __builtin_prefetch(ahead.panel + i / amx_rows * product->panel + tile * amx_tile_bytes + i % amx_rows * amx_row_bytes);
}

/// sums = or += rows · panels over a segment, `apart` bytes from a row of sums to the next.
SEGMOE_TILE(SEGMOE_SET_AMX)
void multiply(const amx_product *product, const int in_int8, const int two_tiles, const int two_panels, size_t first_row,
              const char *b, const char *rest, amx_ahead ahead, int add, char *sums, size_t apart) {
  const char *upper = product->rows + first_row / amx_rows * product->tiles * amx_tile_bytes;
  const char *lower = upper + product->tiles * amx_tile_bytes;
  char *lower_sums = sums + amx_rows * apart;
  if (add) {
    _tile_loadd(0, sums, apart);
    if (two_panels) _tile_loadd(1, sums + 64, apart);
    if (two_tiles) _tile_loadd(2, lower_sums, apart);
    if (two_tiles && two_panels) _tile_loadd(3, lower_sums + 64, apart);
  } else {
    _tile_zero(0);
    if (two_panels) _tile_zero(1);
    if (two_tiles) _tile_zero(2);
    if (two_tiles && two_panels) _tile_zero(3);
  }
  for (size_t t = 0; t < product->whole; t++, upper += amx_tile_bytes, lower += amx_tile_bytes, b += amx_tile_bytes) {
    load_ahead(product, ahead, t);
    multiply_step(in_int8, two_tiles, two_panels, upper, lower, b, b + product->panel);
  }
  if (product->whole < product->tiles) multiply_step(in_int8, two_tiles, two_panels, upper, lower, rest, rest + amx_tile_bytes);
  _tile_stored(0, sums, apart);
  if (two_panels) _tile_stored(1, sums + 64, apart);
  if (two_tiles) _tile_stored(2, lower_sums, apart);
  if (two_tiles && two_panels) _tile_stored(3, lower_sums + 64, apart);
}

/// The same for any number of rows up to two tiles, and of panels up to two.
SEGMOE_TILE(SEGMOE_SET_AMX)
void multiply_pair(const amx_product *product, const int in_int8, size_t rows, size_t panels, size_t first_row, const char *b,
                   const char *rest, amx_ahead ahead, int add, char *sums, size_t apart) {
  switch ((rows > amx_rows) * 2 + (panels > 1)) {
  case 3: multiply(product, in_int8, 1, 1, first_row, b, rest, ahead, add, sums, apart); break;
  case 2: multiply(product, in_int8, 1, 0, first_row, b, rest, ahead, add, sums, apart); break;
  case 1: multiply(product, in_int8, 0, 1, first_row, b, rest, ahead, add, sums, apart); break;
  default: multiply(product, in_int8, 0, 0, first_row, b, rest, ahead, add, sums, apart);
  }
}

/// sums += rows · panels of a group over a segment. The first time the sums are not there yet. `a` are the rows' segments,
/// `apart` of them from one row to the next. The panels at `next` come next.
SEGMOE_TILE(SEGMOE_SET_AMX)
void add_segment(const amx_product *product, const int in_int8, const char *const *a, size_t apart, size_t rows, const char *b,
                 size_t panels, const char *next, int add, float *sums) {
  fill_rest(product, b, panels);
  for (size_t p = 0; p < panels; p += 2) {
    const size_t two = panels - p < 2 ? panels - p : 2;
    const char *panel = b + p * product->panel, *rest = product->rest + p * amx_tile_bytes;
    for (size_t row = 0; row < rows; row += pair_rows) {
      const size_t some = rows - row < pair_rows ? rows - row : pair_rows;
      float *target = sums + row * SEGMOE_GROUP + p * SEGMOE_PANEL;
      const amx_ahead ahead = share_of(p + 2 < panels ? panel + 2 * product->panel : next, row, rows);
      if (!in_int8) {
        multiply_pair(product, 0, some, two, row, panel, rest, ahead, add, (char *)target, SEGMOE_GROUP * 4);
        continue;
      }
      _Alignas(64) int32_t whole[pair_rows][pair_columns];
      multiply_pair(product, 1, some, two, row, panel + product->panel_head, rest, ahead, 0, (char *)whole, sizeof whole[0]);
      for (size_t r = 0; r < some; r++) {
        const segment_head *head = (const segment_head *)a[(row + r) * apart];
        for (size_t c = 0; c < two; c++) {
          const panel_head *columns = (const panel_head *)(panel + c * product->panel);
          const __m512i sum = _mm512_load_si512((const void *)(whole[r] + c * SEGMOE_PANEL));
          float *to = target + r * SEGMOE_GROUP + c * SEGMOE_PANEL;
          const __m512 before = add ? _mm512_loadu_ps(to) : _mm512_setzero_ps();
          _mm512_storeu_ps(to, _mm512_add_ps(before, scaled(_mm512_add_epi32(sum, sums_of_zero_points(columns, head->zero)),
                                                            columns, head->scale)));
        }
      }
    }
  }
}

SEGMOE_TILE(SEGMOE_SET_AMX)
void multiply_block(const amx_product *product, const int in_int8, const char *packed, const char *const *a, size_t rows, size_t first,
                    size_t last, const segmoe_epilogue *epilogue, float *sums, float *result, size_t stride) {
  const size_t all = product->packing->segments, segments = all / product->joined, group_bytes = group_panels * product->panel;
  for (size_t segment = 0; segment < segments; segment++) {
    fill_tiles(product, a + segment, all, rows);
    for (size_t group = first; group < last; group++) {
      float *here = sums + (segments > 1 ? (group - first) * whole_pairs(rows) * SEGMOE_GROUP : 0);
      const char *panels = packed + group * group_bytes + segment * product->segment;
      const char *next = group + 1 < last ? panels + group_bytes : packed + first * group_bytes + (segment + 1) * product->segment;
      add_segment(product, in_int8, a + segment, all, rows, panels, panels_of_group(product->packing, group), next,
                  segment > 0, here);
      if (segment + 1 == segments) segmoe_apply_epilogue(product->packing, group, here, rows, epilogue, result, stride);
    }
  }
}

SEGMOE_TARGET(SEGMOE_SET_AMX)
void segmoe_amx_product(const segmoe_packing *packing, int in_int8, const void *packed, const void *const *segments, size_t rows,
                        size_t first, size_t last, const segmoe_epilogue *epilogue, float *result, size_t stride, void *scratch) {
  const size_t joined = joined_segments(packing, in_int8), steps = joined * steps_of(packing, in_int8);
  const size_t segment = (in_int8 ? sizeof(panel_head) : 0) + steps * amx_row_bytes;
  const amx_product product = {
      .packing = packing,
      .joined = joined,
      .steps = steps,
      .tiles = tiles_of(steps),
      .whole = steps / amx_steps,
      .segment = segment,
      .panel = packing->segments / joined * segment,
      .panel_head = in_int8 ? sizeof(panel_head) : 0,
      .row_head = in_int8 ? sizeof(segment_head) : 0,
      .rest = scratch,
      .rows = (char *)scratch + group_panels * amx_tile_bytes,
  };
  const size_t most = rows_of_block(packing, in_int8, last - first);
  configure_whole_tiles();
  for (size_t row = 0; row < rows; row += most) {
    const size_t block = rows - row < most ? rows - row : most;
    float *sums = (float *)(product.rows + whole_pairs(block) * product.tiles * amx_row_bytes);
    const char *const *a = (const char *const *)segments + row * packing->segments;
    segmoe_epilogue part = *epilogue;
    if (part.row_weights != NULL) part.row_weights += row;
    if (part.residual != NULL) part.residual += row * stride;
    if (in_int8)
      multiply_block(&product, 1, packed, a, block, first, last, &part, sums, result + row * stride, stride);
    else
      multiply_block(&product, 0, packed, a, block, first, last, &part, sums, result + row * stride, stride);
  }
  // Without tiles in use, the kernel has less to save when it switches threads.
  _tile_release();
}
#endif
