// How fast a product is here: that a processor has an instruction does not say that it is a fast one.
#include "product_speed.h"
#include "product.h"
#include <math.h>
#include <stdlib.h>
#include <time.h>

enum { rows = 48, columns = 64, depth = 512, runs = 5 };

/// Of this thread's processor time: what others do meanwhile must not turn the choice around.
static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

double segmoe_bf16_product_seconds(void) {
  const segmoe_packing packing = {.outputs = columns, .pieces = 1, .depth = depth};
  const segmoe_finish finish = {0};
  const size_t bytes = segmoe_bf16_piece_bytes(depth);
  float *numbers = calloc((rows + columns) * depth + rows * columns, sizeof(float));
  char *packed = aligned_alloc(64, (segmoe_bf16_packed_bytes(&packing) + 63) / 64 * 64);
  char *prepared = aligned_alloc(64, (rows * bytes + 63) / 64 * 64);
  double least = INFINITY;
  if (numbers != NULL && packed != NULL && prepared != NULL) {
    const void *pieces[rows];
    for (size_t r = 0; r < rows; r++) pieces[r] = prepared + r * bytes;
    segmoe_bf16_pack(&packing, numbers + rows * depth, 0, segmoe_groups(&packing), packed);
    segmoe_bf16_prepare(numbers, rows, depth, prepared);
    for (int run = 0; run < runs; run++) {
      const double start = now();
      segmoe_bf16_product(&packing, packed, pieces, rows, 0, segmoe_groups(&packing), &finish,
                          numbers + (rows + columns) * depth, columns);
      least = fmin(least, now() - start);
    }
  }
  free(numbers);
  free(packed);
  free(prepared);
  return least;
}
