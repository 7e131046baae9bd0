// Measures how fast a product is. A processor may have an instruction that is slow.
#include "product_speed.h"
#include "product.h"
#include "product_levels.h"
#include <math.h>
#include <stdlib.h>
#include <time.h>

// A few tiles of AMX in each direction, or what it costs to begin would be most of its time.
enum { rows = 192, columns = 64, depth = 1024, runs = 5 };

/// Time that only ever seems too long: a run that nothing interrupted is among a few. A thread's processor time will not
/// do. In a virtual machine it leaves out what the host took, which a later read may find: one run in 200,000 seems to
/// take half as long, and the least of a few would be that one.
static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/// Seconds of one product that fits the second-level cache, the least of a few; infinite if there is no memory for it.
static double seconds_on(segmoe_product_isa isa, int in_int8) {
  const segmoe_packing packing = {.outputs = columns, .segments = 1, .depth = depth};
  const segmoe_epilogue epilogue = {0};
  const size_t bytes = in_int8 ? segmoe_int8_segment_bytes_at(isa, depth) : segmoe_bf16_segment_bytes_at(isa, depth);
  const size_t packed_bytes = in_int8 ? segmoe_int8_packed_bytes(&packing) : segmoe_bf16_packed_bytes(&packing);
  float *numbers = calloc((rows + columns) * depth + rows * columns, sizeof(float));
  char *packed = aligned_alloc(64, (packed_bytes + 63) / 64 * 64);
  char *prepared = aligned_alloc(64, (rows * bytes + 63) / 64 * 64);
  // At least a byte, so that NULL means that there is no memory.
  void *scratch = aligned_alloc(64, segmoe_product_scratch_at(isa, &packing, in_int8, rows, segmoe_groups(&packing)) / 64 * 64 + 64);
  double least = INFINITY;
  if (numbers != NULL && packed != NULL && prepared != NULL && scratch != NULL) {
    const void *segments[rows];
    for (size_t r = 0; r < rows; r++) segments[r] = prepared + r * bytes;
    (in_int8 ? segmoe_int8_pack : segmoe_bf16_pack)(&packing, numbers + rows * depth, 0, segmoe_groups(&packing), packed);
    (in_int8 ? segmoe_int8_prologue_at : segmoe_bf16_prologue_at)(isa, numbers, rows, depth, prepared);
    for (int run = 0; run < runs; run++) {
      const double start = now();
      (in_int8 ? segmoe_int8_product_at : segmoe_bf16_product_at)(isa, &packing, packed, segments, rows, 0,
                                                                  segmoe_groups(&packing), &epilogue,
                                                                  numbers + (rows + columns) * depth, columns, scratch);
      least = fmin(least, now() - start);
    }
  }
  free(numbers);
  free(packed);
  free(prepared);
  free(scratch);
  return least;
}

/// Whether a product is faster than on another level. Every start must make the same choice, on a busy machine as well,
/// because a picture depends on it. So the two are timed in turn, and the limit between them is far from both.
static int is_faster(segmoe_product_isa isa, segmoe_product_isa other, int in_int8) {
  double here = INFINITY, there = INFINITY;
  for (int round = 0; round < 4; round++) {
    here = fmin(here, seconds_on(isa, in_int8));
    there = fmin(there, seconds_on(other, in_int8));
  }
  return here < 0.85 * there;
}

// VDPBF16PS does the work of two fused multiply-adds: on Zen 4 in the time of one, on Sapphire and Emerald Rapids in
// that of four. By its manual AMX does that of 8 to 16, and in bytes that of 8 of VPDPBUSD; a virtual machine may disagree.
// BFDOT does that of two, too.
int segmoe_product_is_fast(segmoe_product_isa isa) {
  switch (isa) {
  case SEGMOE_PRODUCT_AMX:
    return is_faster(isa, SEGMOE_PRODUCT_AVX512, 0) && is_faster(isa, SEGMOE_PRODUCT_AVX512_BF16, 0) &&
           is_faster(isa, SEGMOE_PRODUCT_AVX512_VNNI, 1);
  case SEGMOE_PRODUCT_AVX512_BF16: return is_faster(isa, SEGMOE_PRODUCT_AVX512, 0);
  case SEGMOE_PRODUCT_NEON_BF16: return is_faster(isa, SEGMOE_PRODUCT_NEON, 0);
  default: return 1;
  }
}
