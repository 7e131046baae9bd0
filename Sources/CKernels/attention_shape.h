// What attention's kernels share, in every precision. A file that uses `attention_steps` defines `UNIT`: how many values
// a step takes.
#ifndef SEGMOE_ATTENTION_SHAPE_H
#define SEGMOE_ATTENTION_SHAPE_H

#include "attention.h"

// 2^f on [-0.5, 0.5]: the polynomial of degree 5 with constant term 1 that has the least relative error.
#define POWER_1 0x1.62e42ap-1f
#define POWER_2 0x1.ebf9bcp-3f
#define POWER_3 0x1.c6b752p-5f
#define POWER_4 0x1.3cea88p-7f
#define POWER_5 0x1.5bba14p-10f

/// Keys, or channels, that lie side by side.
#define ATTENTION_PANEL SEGMOE_ATTENTION_PANEL
/// Vectors of rows in a tile.
#define TILE_VECTORS 3

// Keys or channels that are multiplied with each vector of rows: 24 sums in 32 registers (AVX-512, Arm), or 12 in 16.
#if defined(__aarch64__)
#define FEW_REGISTERS 0
#else
#define FEW_REGISTERS (LANES < 16)
#endif
#define CHANNELS (FEW_REGISTERS ? 4 : 8)

// Keys of one block: the scores of 48 rows for them stay in a first-level cache.
enum { attention_block = 128 };

#define attention_steps(values) (((values) + UNIT - 1) / UNIT)

static inline size_t attention_rounded(size_t count) {
  return (count + ATTENTION_PANEL - 1) / ATTENTION_PANEL * ATTENTION_PANEL;
}

#endif
