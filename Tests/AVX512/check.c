// Holds the VNNI and BF16 tiles against the scalar reference on a processor without AVX-512: the kernels are
// compiled with SIMDe in place of the instructions (scripts/check-avx512). Every remainder of rows,
// columns and depth, gated or not. int8 and plain AVX-512 must give the reference's bits; SIMDe adds the
// two products of VDPBF16PS before it adds them to the sum, so that there only rounding may differ.
#include "convert.h"
#include "isa.h"
#include "product.h"
#include "product_levels.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// In place of isa.c.
segmoe_isa segmoe_isa_in_use(void) { return SEGMOE_ISA_AVX2; }

static float uniform(void) { return (float)rand() / (float)RAND_MAX * 2 - 1; }

static void *fresh(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (memory == NULL) exit(2);
  return memset(memory, 0x5a, (bytes + 63) / 64 * 64);
}

static float *run(segmoe_product_isa level, const segmoe_packing *packing, int in_int8, const float *x, size_t rows, const float *w,
                  const segmoe_epilogue *epilogue) {
  const size_t count = rows * packing->segments, groups = segmoe_groups(packing);
  const size_t bytes = in_int8 ? segmoe_int8_segment_bytes_at(level, packing->depth) : segmoe_bf16_segment_bytes_at(level, packing->depth);
  char *packed = fresh(in_int8 ? segmoe_int8_packed_bytes(packing) : segmoe_bf16_packed_bytes(packing));
  char *prepared = fresh(count * bytes);
  const void **segments = fresh(count * sizeof(void *));
  float *result = fresh(rows * packing->outputs * sizeof(float));
  for (size_t i = 0; i < count; i++) segments[i] = prepared + i * bytes;
  if (in_int8) {
    segmoe_int8_pack(packing, w, 0, groups, packed);
    segmoe_int8_prologue_at(level, x, count, packing->depth, prepared);
    segmoe_int8_product_at(level, packing, packed, segments, rows, 0, groups, epilogue, result, packing->outputs);
  } else {
    segmoe_bf16_pack(packing, w, 0, groups, packed);
    segmoe_bf16_prologue_at(level, x, count, packing->depth, prepared);
    segmoe_bf16_product_at(level, packing, packed, segments, rows, 0, groups, epilogue, result, packing->outputs);
  }
  free(packed), free(prepared), free(segments);
  return result;
}

static int compare(size_t rows, segmoe_packing packing, int in_int8, segmoe_product_isa isa, double bound,
                   double *worst) {
  const size_t inner = packing.segments * packing.depth;
  const size_t columns = packing.outputs * (packing.gated ? 2 : 1);
  float *x = fresh(rows * inner * 4), *w = fresh(columns * inner * 4), *bias = fresh(columns * 4);
  for (size_t i = 0; i < rows * inner; i++) x[i] = uniform();
  for (size_t i = 0; i < columns * inner; i++) w[i] = uniform();
  for (size_t i = 0; i < columns; i++) bias[i] = uniform();
  const segmoe_epilogue epilogue = {.bias = bias};
  float *expected = run(SEGMOE_PRODUCT_SCALAR, &packing, in_int8, x, rows, w, &epilogue);
  float *found = run(isa, &packing, in_int8, x, rows, w, &epilogue);
  double most = 0;
  for (size_t i = 0; i < rows * packing.outputs; i++) {
    const double error = fabs((double)found[i] - expected[i]);
    if (!(error <= most)) most = error;
  }
  // Sums of `inner` products of at most 1; a gated result is up to |value| times as far off.
  const double scaled = most / sqrt((double)inner) / (packing.gated ? sqrt((double)inner) : 1);
  if (scaled > *worst) *worst = scaled;
  free(x), free(w), free(bias), free(expected), free(found);
  if (scaled <= bound) return 0;
  printf("%s, level %d: %zu rows, %zu outputs, %zu segments of %zu, gated %d: error %g\n",
         in_int8 ? "int8" : "bf16", isa, rows, packing.outputs, packing.segments, packing.depth, packing.gated, most);
  return 1;
}

int main(void) {
  static const struct {
    const char *name;
    int in_int8;
    segmoe_product_isa isa;
    double bound;
  } trials[] = {
      {"bf16 widened to AVX2", 0, SEGMOE_PRODUCT_AVX2, 0},
      {"int8 on AVX2", 1, SEGMOE_PRODUCT_AVX2, 0},
      {"bf16 by VDPBF16PS", 0, SEGMOE_PRODUCT_AVX512_BF16, 2e-6},
      {"int8 by VPDPBUSD", 1, SEGMOE_PRODUCT_AVX512_VNNI, 0},
  };
  static const size_t outputs[] = {1, 16, 17, 33, 48, 50, 64, 65, 100, 128}, depths[] = {1, 2, 3, 8, 67, 700};
  int faults = 0;
  for (size_t t = 0; t < sizeof trials / sizeof trials[0]; t++) {
    double worst = 0;
    int cases = 0;
    for (size_t rows = 1; rows <= 14; rows++)
      for (size_t o = 0; o < sizeof outputs / sizeof outputs[0]; o++)
        for (size_t d = 0; d < sizeof depths / sizeof depths[0]; d++)
          for (int gated = 0; gated < 2; gated++) {
            const segmoe_packing packing = {outputs[o], 1 + rows % 3, depths[d], gated};
            faults += compare(rows, packing, trials[t].in_int8, trials[t].isa, trials[t].bound, &worst);
            cases++;
          }
    faults += compare(200, (segmoe_packing){40, 9, 32, 0}, trials[t].in_int8, trials[t].isa, trials[t].bound, &worst);
    printf("%-24s %d products, worst error %.2g of the root of the depth\n", trials[t].name, cases + 1, worst);
  }
  return faults > 0;
}
