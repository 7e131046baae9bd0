// What the products of all precisions share: how a block of rows goes through the panels of a group.
#ifndef SEGMOE_MACROKERNEL_H
#define SEGMOE_MACROKERNEL_H

#include "panels.h"
#include "product.h"

// Rows that a tile keeps in registers, and rows that go through a group together: with 640 values of each they fit a
// second-level cache.
enum { tile_rows = 6, block_rows = 96 };

/// Sums of a block of rows over a group, before the epilogue.
typedef float segmoe_sums[block_rows][SEGMOE_GROUP];

/// Adds to `sums` what 1 to `tile_rows` rows give with 1 to 4 panels, `panel` bytes apart, over `steps` steps.
typedef void (*segmoe_microkernel)(size_t rows, size_t panels, const char *const *a, const char *b,
                                   size_t panel, size_t steps, float *sums);

/// The microkernel for 1 to 6 rows and so many panels, of a TILE(rows, panels) with constant arguments.
#define SEGMOE_MICROKERNEL_ROWS(panels)                                                            \
  switch (rows) {                                                                                  \
  case 6: TILE(6, panels); break;                                                                  \
  case 5: TILE(5, panels); break;                                                                  \
  case 4: TILE(4, panels); break;                                                                  \
  case 3: TILE(3, panels); break;                                                                  \
  case 2: TILE(2, panels); break;                                                                  \
  default: TILE(1, panels); break;                                                                 \
  }
#define SEGMOE_MICROKERNEL                                                                         \
  switch (panels) {                                                                                \
  case 4: SEGMOE_MICROKERNEL_ROWS(4) break;                                                        \
  case 3: SEGMOE_MICROKERNEL_ROWS(3) break;                                                        \
  case 2: SEGMOE_MICROKERNEL_ROWS(2) break;                                                        \
  default: SEGMOE_MICROKERNEL_ROWS(1) break;                                                       \
  }

/// How the products of one precision go through a packed weight. A step is what a microkernel's loop takes at a
/// time: a value, a pair or a quad.
typedef struct segmoe_blocking {
  segmoe_microkernel microkernel;
  /// Steps of a segment, and the most that a microkernel runs over at a time.
  size_t steps, depth_steps;
  /// Bytes of a step in a panel, of a segment in a panel, of a step in a row.
  size_t panel_step, panel_segment, row_step;
  /// Writes so many steps of the panels at `b`, `panel` bytes apart, to `unpacked` as the microkernel reads
  /// them: panels of `unpacked_step` bytes a step. NULL if it reads them as they are.
  void (*unpack)(const char *b, size_t panels, size_t panel, size_t steps, void *unpacked);
  size_t unpacked_step;
} segmoe_blocking;

/// Bytes that `unpack` may write.
enum { unpacked_bytes = 1 << 17 };

/// `segmoe_bf16_product` and its kin.
void segmoe_macrokernel(const segmoe_packing *packing, const segmoe_blocking *blocking, const void *packed,
                        const void *const *segments, size_t rows, size_t first, size_t last,
                        const segmoe_epilogue *epilogue, float *result, size_t stride);

#endif
