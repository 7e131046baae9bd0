// Block by block of rows, group by group, piece by piece: what a product is in every precision.
#include "product_walk.h"

/// Asks for `bytes` from `start` on, while something else is computed.
static inline void fetch(const void *start, size_t bytes) {
  for (size_t offset = 0; offset < bytes; offset += 64) __builtin_prefetch((const char *)start + offset);
}

void segmoe_walk_product(const segmoe_packing *packing, const segmoe_walk *walk, const void *packed,
                         const void *const *pieces, size_t rows, size_t first, size_t last,
                         const segmoe_finish *finish, float *result, size_t stride) {
  const size_t all_pieces = packing->pieces, panel = all_pieces * walk->panel_piece;
  const size_t group_width = segmoe_group_outputs(packing);
  segmoe_sums sums;
  _Alignas(64) char unpacked[unpacked_bytes];
  for (size_t row = 0; row < rows; row += block_rows) {
    const size_t block = rows - row < block_rows ? rows - row : block_rows;
    segmoe_finish part = *finish;
    if (part.row_weights != NULL) part.row_weights += row;
    if (part.base != NULL) part.base += row * stride;
    for (size_t group = first; group < last; group++) {
      const char *weights = (const char *)packed + group * group_panels * panel;
      const size_t panels = panels_of_group(packing, group);
      const size_t left = packing->outputs - group * group_width;
      const size_t fetched = (left < group_width ? left : group_width) * sizeof(float);
      memset(sums, 0, block * sizeof sums[0]);
      for (size_t piece = 0; piece < all_pieces; piece++)
        for (size_t k = 0; k < walk->steps; k += walk->strip_steps) {
          const size_t now = walk->steps - k < walk->strip_steps ? walk->steps - k : walk->strip_steps;
          const char *b = weights + piece * walk->panel_piece + k * walk->panel_step;
          size_t apart = panel;
          if (walk->unpack != NULL) {
            walk->unpack(b, panels, panel, now, unpacked);
            b = unpacked;
            apart = now * walk->unpacked_step;
          }
          for (size_t r = 0; r < block; r += tile_rows) {
            const size_t some = block - r < tile_rows ? block - r : tile_rows;
            const char *a[tile_rows];
            for (size_t i = 0; i < some; i++)
              a[i] = (const char *)pieces[(row + r + i) * all_pieces + piece] + k * walk->row_step;
            // Rows come from far away once, for the first group; so does what the last strip's sums are written to.
            if (group == first)
              for (size_t i = r + tile_rows; i < block && i < r + 2 * tile_rows; i++)
                fetch((const char *)pieces[(row + i) * all_pieces + piece] + k * walk->row_step,
                      now * walk->row_step);
            if (piece + 1 == all_pieces && k + now == walk->steps)
              for (size_t i = r; i < r + some; i++)
                fetch(result + (row + i) * stride + group * group_width, fetched);
            walk->strip(some, panels, a, b, apart, now, sums[r]);
          }
        }
      segmoe_finish_group(packing, group, sums[0], block, &part, result + row * stride, stride);
    }
  }
}
