// The microkernel of single precision: rows times panels. A body of each_isa.h.
#include "tile.h"

/// sums += rows · panels (`panel` bytes apart) over `depth` values; a `segmoe_microkernel`.
static void VARIANT(microkernel_f32)(size_t rows, size_t panels, const char *const *a, const char *b,
                               size_t panel, size_t depth, float *sums) {
  const float *row[TILE_ROWS];
  for (size_t r = 0; r < rows; r++) row[r] = (const float *)a[r];
  VARIANT(microkernel_of_rows)(rows, panels, row, (const float *)b, panel / sizeof(float), depth, sums,
                         SEGMOE_GROUP, 1);
}
