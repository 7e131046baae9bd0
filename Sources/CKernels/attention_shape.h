// What attention's kernels share, in every precision. A file that uses `attention_steps` defines `UNIT`: how many values
// a step takes. One that uses what comes after it defines `ON_TILES`: whether products are on AMX's tiles (tiles_amx.h).
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
// Steps of a head as they are packed, channels of a head's packed values, and how many of these lie side by side.
#define attention_depth(values) (ON_TILES ? attention_whole(attention_steps(values)) : attention_steps(values))
#define attention_channels(width) (ON_TILES ? attention_whole(width) : attention_rounded(width))
#define ATTENTION_SIDE (ON_TILES ? ATTENTION_TILE : ATTENTION_PANEL)

static inline size_t attention_rounded(size_t count) {
  return (count + ATTENTION_PANEL - 1) / ATTENTION_PANEL * ATTENTION_PANEL;
}

// Steps, keys or channels of a tile.
#define ATTENTION_TILE 16

static inline size_t attention_whole(size_t count) {
  return (count + ATTENTION_TILE - 1) / ATTENTION_TILE * ATTENTION_TILE;
}

// Where the steps of packed keys, or of a channel's packed values, are. In panels a step of all 8 lies side by side, in tiles
// 16 steps of each of 16.
typedef struct attention_layout {
  /// Keys side by side, and steps of a key that lie together: powers of two.
  int side, together;
  /// Steps of a key.
  size_t steps;
} attention_layout;

static inline attention_layout layout_of(int on_tiles, size_t steps) {
  return on_tiles ? (attention_layout){4, 4, attention_whole(steps)} : (attention_layout){3, 0, steps};
}

/// Steps that so many keys or channels take.
static inline size_t packed_steps(attention_layout layout, size_t rows) {
  const size_t others = ((size_t)1 << layout.side) - 1;
  return ((rows + others) & ~others) * layout.steps;
}

/// The place of a step of key or channel `row`, in steps.
static inline size_t place_of(attention_layout layout, size_t row, size_t step) {
  const size_t others = ((size_t)1 << layout.side) - 1, inside = ((size_t)1 << layout.together) - 1;
  return (row & ~others) * layout.steps + ((step & ~inside) << layout.side) + ((row & others) << layout.together) +
         (step & inside);
}

#endif
