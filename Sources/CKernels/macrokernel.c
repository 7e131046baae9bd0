// The loops of a product, the same in every precision: over blocks of rows, groups of panels, and segments.
#include "macrokernel.h"
#include "epilogue.h"
#include <string.h>

/// Loads `bytes` from `start` on into the cache, while something else is computed.
static inline void fetch(const void *start, size_t bytes) {
  for (size_t offset = 0; offset < bytes; offset += 64) __builtin_prefetch((const char *)start + offset);
}

void segmoe_macrokernel(const segmoe_packing *packing, const segmoe_blocking *blocking, const void *packed,
                        const void *const *segments, size_t rows, size_t first, size_t last,
                        const segmoe_epilogue *epilogue, float *result, size_t stride) {
  const size_t all_segments = packing->segments, panel = all_segments * blocking->panel_segment;
  const size_t group_width = segmoe_group_outputs(packing);
  segmoe_sums sums;
  _Alignas(64) char unpacked[unpacked_bytes];
  for (size_t row = 0; row < rows; row += block_rows) {
    const size_t block = rows - row < block_rows ? rows - row : block_rows;
    segmoe_epilogue part = *epilogue;
    if (part.row_weights != NULL) part.row_weights += row;
    if (part.residual != NULL) part.residual += row * stride;
    for (size_t group = first; group < last; group++) {
      const char *weights = (const char *)packed + group * group_panels * panel;
      const size_t panels = panels_of_group(packing, group);
      const size_t left = packing->outputs - group * group_width;
      const size_t fetched = (left < group_width ? left : group_width) * sizeof(float);
      memset(sums, 0, block * sizeof sums[0]);
      for (size_t segment = 0; segment < all_segments; segment++)
        for (size_t k = 0; k < blocking->steps; k += blocking->depth_steps) {
          const size_t now = blocking->steps - k < blocking->depth_steps ? blocking->steps - k : blocking->depth_steps;
          const char *b = weights + segment * blocking->panel_segment + k * blocking->panel_step;
          size_t apart = panel;
          if (blocking->unpack != NULL) {
            blocking->unpack(b, panels, panel, now, unpacked);
            b = unpacked;
            apart = now * blocking->unpacked_step;
          }
          for (size_t r = 0; r < block; r += tile_rows) {
            const size_t some = block - r < tile_rows ? block - r : tile_rows;
            const char *a[tile_rows];
            for (size_t i = 0; i < some; i++)
              a[i] = (const char *)segments[(row + r + i) * all_segments + segment] + k * blocking->row_step;
            // For the first group, the rows are not in a cache yet. Neither is the memory that the last microkernel's
            // sums go to.
            if (group == first)
              for (size_t i = r + tile_rows; i < block && i < r + 2 * tile_rows; i++)
                fetch((const char *)segments[(row + i) * all_segments + segment] + k * blocking->row_step,
                      now * blocking->row_step);
            if (segment + 1 == all_segments && k + now == blocking->steps)
              for (size_t i = r; i < r + some; i++)
                fetch(result + (row + i) * stride + group * group_width, fetched);
            blocking->microkernel(some, panels, a, b, apart, now, sums[r]);
          }
        }
      segmoe_apply_epilogue(packing, group, sums[0], block, &part, result + row * stride, stride);
    }
  }
}
