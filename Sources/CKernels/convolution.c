#include "convolution.h"
#include <stddef.h>

// Inputs whose transformed weights are in the cache at a time.
#ifndef DEPTH
#define DEPTH 64
#endif

static inline size_t tiles_across(const segmoe_convolution *shape) { return (shape->width + 3) / 4; }
static inline size_t tiles_down(const segmoe_convolution *shape) { return (shape->height + 3) / 4; }

// Transformed inputs are `[block of DEPTH inputs][36][tile][input]`; a block's inputs are rounded up
// to 16, and between the 36 are 16 floats, or all of them would fall into the same lines of a cache.
static inline size_t block_depth(size_t inputs, size_t block) {
  const size_t padded = (inputs + 15) / 16 * 16;
  return padded - block * DEPTH < DEPTH ? padded - block * DEPTH : DEPTH;
}
static inline size_t block_start(size_t block, size_t tiles) {
  return block * 36 * (tiles * DEPTH + 16);
}

#define SEGMOE_BODY_FILE "winograd_body.h"
#include "each_isa.h"

size_t segmoe_winograd_tiles(const segmoe_convolution *shape) {
  return tiles_across(shape) * tiles_down(shape);
}

size_t segmoe_winograd_input_size(const segmoe_convolution *shape, size_t tiles) {
  return (shape->inputs + DEPTH - 1) / DEPTH * 36 * (tiles * DEPTH + 16);
}

size_t segmoe_winograd_scratch(size_t panels, size_t count) {
  return 36 * (panels * DEPTH * PANEL + count * panels * PANEL + PANEL);
}

void segmoe_taps_first(const float *weight, size_t rows, size_t inputs, size_t taps, float *result) {
  for (size_t row = 0; row < rows; row++, weight += inputs * taps, result += inputs * taps)
    for (size_t tap = 0; tap < taps; tap++)
      for (size_t i = 0; i < inputs; i++) result[tap * inputs + i] = weight[i * taps + tap];
}

void segmoe_pack_convolution(const float *weight, size_t outputs, size_t inputs, size_t taps,
                             float *packed, size_t first, size_t last) {
  for (size_t panel = first; panel < last; panel++) {
    float *target = packed + panel * taps * inputs * PANEL;
    for (size_t o = 0; o < PANEL; o++) {
      const size_t output = panel * PANEL + o;
      const float *source = weight + output * inputs * taps;
      for (size_t i = 0; i < inputs; i++)
        for (size_t tap = 0; tap < taps; tap++)
          target[(tap * inputs + i) * PANEL + o] = output < outputs ? source[i * taps + tap] : 0.0f;
    }
  }
}

void segmoe_winograd_input(const segmoe_convolution *shape, const float *x, size_t first,
                           size_t tile, size_t tiles, float *transformed) {
  CHOSEN(segmoe_winograd_input)(shape, x, first, tile, tiles, transformed);
}

void segmoe_winograd_multiply(const segmoe_convolution *shape, const segmoe_winograd_epilogue *epilogue,
                              const void *weight, size_t panel, size_t panels,
                              const float *transformed, size_t first, size_t tiles, size_t start,
                              size_t count, float *result, float *scratch) {
  CHOSEN(segmoe_winograd_multiply)(shape, epilogue, weight, panel, panels, transformed, first, tiles,
                                 start, count, result, scratch);
}
