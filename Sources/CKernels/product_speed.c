// Measures how fast a product is. A processor may have an instruction that is slow.
#include "product_speed.h"
#include "product.h"
#include "product_levels.h"
#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { rows = 48, columns = 64, depth = 512, runs = 5 };

/// Time that only ever seems too long: a run that nothing interrupted is among a few. A thread's processor time will not
/// do. In a virtual machine it leaves out what the host took, which a later read may find: one run in 200,000 seems to
/// take half as long, and the least of a few would be that one.
static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

/// Seconds of one product in bfloat16 that fits the second-level cache, the least of a few; infinite if there is no
/// memory for it.
static double seconds_on(segmoe_product_isa isa) {
  const segmoe_packing packing = {.outputs = columns, .segments = 1, .depth = depth};
  const segmoe_epilogue epilogue = {0};
  const size_t bytes = segmoe_bf16_segment_bytes_at(isa, depth);
  float *numbers = calloc((rows + columns) * depth + rows * columns, sizeof(float));
  char *packed = aligned_alloc(64, (segmoe_bf16_packed_bytes(&packing) + 63) / 64 * 64);
  char *prepared = aligned_alloc(64, (rows * bytes + 63) / 64 * 64);
  double least = INFINITY;
  if (numbers != NULL && packed != NULL && prepared != NULL) {
    const void *segments[rows];
    for (size_t r = 0; r < rows; r++) segments[r] = prepared + r * bytes;
    segmoe_bf16_pack(&packing, numbers + rows * depth, 0, segmoe_groups(&packing), packed);
    segmoe_bf16_prologue_at(isa, numbers, rows, depth, prepared);
    for (int run = 0; run < runs; run++) {
      const double start = now();
      segmoe_bf16_product_at(isa, &packing, packed, segments, rows, 0, segmoe_groups(&packing), &epilogue,
                            numbers + (rows + columns) * depth, columns);
      least = fmin(least, now() - start);
    }
  }
  free(numbers);
  free(packed);
  free(prepared);
  return least;
}

// VDPBF16PS does the work of two fused multiply-adds: on Zen 4 in the time of one, on Sapphire and Emerald Rapids in
// that of four. Every start must make the same choice, on a busy machine as well, because a picture depends on it. So
// the two are timed in turn, and the limit between them is far from both.
int segmoe_product_is_fast(segmoe_product_isa isa) {
  if (isa != SEGMOE_PRODUCT_AVX512_BF16) return 1;
  double native = INFINITY, wide = INFINITY;
  for (int round = 0; round < 4; round++) {
    native = fmin(native, seconds_on(isa));
    wide = fmin(wide, seconds_on(SEGMOE_PRODUCT_AVX512));
  }
  return native < 0.85 * wide;
}
