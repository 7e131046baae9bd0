// Holds the microkernels of every set, and attention in int8, against the scalar reference, where the processor may lack the
// instructions. Those of AVX2, AVX-512, VNNI, BF16 and AMX are compiled with SIMDe and tiles.c in their place
// (scripts/check-avx512); Arm's run in an emulated processor (scripts/check-arm), which may lack some. Every remainder of rows,
// columns and depth, gated or not. All give the reference's bits but products of bfloat16 in these ways: SIMDe adds the two
// products of VDPBF16PS before it adds them to the sum, TDPBF16PS sums the first and the second values of pairs for
// themselves, BFDOT rounds to odd. So there rounding may differ. It may not where numbers are whole.
#include "attention_levels.h"
#include "convert.h"
#include "cuts.h"
#include "isa.h"
#include "powers.h"
#include "product.h"
#include "product_levels.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(SEGMOE_SIMDE)
#include "tiles.h"
// In place of isa.c.
segmoe_isa segmoe_isa_in_use(void) { return SEGMOE_ISA_AVX2; }
static int is_there(segmoe_product_isa level) { return level <= SEGMOE_PRODUCT_AMX; }
#else
static int is_there(segmoe_product_isa level) { return segmoe_product_isa_available(level); }
#endif

/// Numbers within ±1; or whole ones within ±8, of which no sum is rounded.
static float uniform(int whole) {
  const float x = (float)rand() / (float)RAND_MAX * 2 - 1;
  return whole ? rintf(8 * x) : x;
}

static void *fresh(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (memory == NULL) exit(2);
  // Floats and bfloat16 of these bits are not numbers.
  return memset(memory, 0xff, (bytes + 63) / 64 * 64);
}

static float *run(segmoe_product_isa level, const segmoe_packing *packing, int in_int8, const float *x, size_t rows, const float *w,
                  const segmoe_epilogue *epilogue) {
  const size_t count = rows * packing->segments, groups = segmoe_groups(packing);
  const size_t bytes = in_int8 ? segmoe_int8_segment_bytes_at(level, packing->depth) : segmoe_bf16_segment_bytes_at(level, packing->depth);
  char *packed = fresh(in_int8 ? segmoe_int8_packed_bytes(packing) : segmoe_bf16_packed_bytes(packing));
  char *prepared = fresh(count * bytes);
  const void **segments = fresh(count * sizeof(void *));
  float *result = fresh(rows * packing->outputs * sizeof(float));
  void *scratch = fresh(segmoe_product_scratch_at(level, packing, in_int8, rows, groups) + 64);
  // A convolution's rows are not equally far apart: here those of every other case.
  for (size_t i = 0; i < count; i++) segments[i] = prepared + (rows % 2 == 1 && (i ^ 1) < count ? i ^ 1 : i) * bytes;
  if (in_int8) {
    segmoe_int8_pack(packing, w, 0, groups, packed);
    segmoe_int8_prologue_at(level, x, count, packing->depth, prepared);
    segmoe_int8_product_at(level, packing, packed, segments, rows, 0, groups, epilogue, result, packing->outputs, scratch);
  } else {
    segmoe_bf16_pack(packing, w, 0, groups, packed);
    segmoe_bf16_prologue_at(level, x, count, packing->depth, prepared);
    segmoe_bf16_product_at(level, packing, packed, segments, rows, 0, groups, epilogue, result, packing->outputs, scratch);
  }
  free(packed), free(prepared), free(segments), free(scratch);
  return result;
}

static int compare(size_t rows, segmoe_packing packing, int in_int8, int whole, segmoe_product_isa isa, double bound,
                   double *worst) {
  const size_t inner = packing.segments * packing.depth;
  const size_t columns = packing.outputs * (packing.gated ? 2 : 1);
  float *x = fresh(rows * inner * 4), *w = fresh(columns * inner * 4), *bias = fresh(columns * 4);
  for (size_t i = 0; i < rows * inner; i++) x[i] = uniform(whole);
  for (size_t i = 0; i < columns * inner; i++) w[i] = uniform(whole);
  for (size_t i = 0; i < columns; i++) bias[i] = uniform(whole);
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

/// Attention of so many rows to so many keys, by one level.
static float *attend(segmoe_product_isa level, int in_int8, const segmoe_attention *shape, size_t rows, const float *query,
                     const float *key, const float *value) {
  const size_t keys = shape->keys, width = shape->width, panels = (keys + 7) / 8;
  const size_t keys_size = in_int8 ? segmoe_packed_keys_int8_size_at(level, keys, width) : segmoe_packed_keys_bf16_size_at(level, keys, width);
  const size_t values_size = in_int8 ? segmoe_packed_values_int8_size_at(level, keys, width) : segmoe_packed_values_bf16_size_at(level, keys, width);
  float *packed_keys = fresh(keys_size * sizeof(float)), *packed_values = fresh(values_size * sizeof(float));
  float *scratch = fresh(segmoe_attention_scratch(rows, width) * sizeof(float));
  float *result = fresh(rows * width * sizeof(float));
  if (in_int8) {
    segmoe_measure_keys_int8(key, width, keys, width, packed_keys);
    segmoe_measure_values_int8(value, width, keys, width, packed_values);
    segmoe_pack_keys_int8_at(level, key, width, keys, width, packed_keys, 0, panels);
    segmoe_pack_values_int8_at(level, value, width, keys, width, packed_values, 0, panels);
    segmoe_attend_int8_at(level, shape, query, rows, packed_keys, packed_values, result, scratch);
  } else {
    segmoe_pack_keys_bf16_at(level, key, width, keys, width, packed_keys, 0, panels);
    segmoe_pack_values_bf16_at(level, value, width, keys, width, packed_values, 0, panels);
    segmoe_attend_bf16_at(level, shape, query, 0, rows, packed_keys, packed_values, result, scratch);
  }
  free(packed_keys), free(packed_values), free(scratch);
  return result;
}

/// Whether a level's attention is off from the reference's by more than `bound`.
static int compare_attention(segmoe_product_isa level, int in_int8, int causal, size_t rows, size_t keys, size_t width,
                             double bound) {
  const segmoe_attention shape = {width, width, keys, width, 1 / sqrtf((float)width), causal};
  float *query = fresh(rows * width * 4), *key = fresh(keys * width * 4), *value = fresh(keys * width * 4);
  for (size_t i = 0; i < rows * width; i++) query[i] = 2 * uniform(0);
  for (size_t i = 0; i < keys * width; i++) key[i] = 2 * uniform(0), value[i] = uniform(0);
  float *expected = attend(SEGMOE_PRODUCT_SCALAR, in_int8, &shape, rows, query, key, value);
  float *found = attend(level, in_int8, &shape, rows, query, key, value);
  double most = 0;
  for (size_t i = 0; i < rows * width; i++) {
    const double error = fabs((double)found[i] - expected[i]);
    if (!(error <= most)) most = error;
  }
  const int differ = !(most <= bound);
  if (differ) printf("attention, level %d, int8 %d, causal %d: %zu rows, %zu keys of %zu: error %g\n", level, in_int8, causal, rows, keys, width, most);
  free(query), free(key), free(value), free(expected), free(found);
  return differ;
}

/// In int8 without a mask, in bfloat16 with one, too.
static int compare_attentions(const char *name, segmoe_product_isa level, int in_int8, double bound) {
  if (!is_there(level)) return printf("%-24s the processor lacks it\n", name), 0;
  static const size_t rows[] = {1, 16, 17, 47, 96}, keys[] = {1, 3, 8, 77, 128, 259}, widths[] = {1, 5, 8, 40, 67};
  int faults = 0, cases = 0;
  for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
      for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++)
        for (int causal = 0; causal <= !in_int8; causal++, cases++)
          faults += compare_attention(level, in_int8, causal, rows[r], keys[k], widths[w], bound);
  printf("%-24s %d attentions, %d of them differ\n", name, cases, faults);
  return faults;
}

int main(void) {
  static const struct {
    const char *name;
    int in_int8, whole;
    segmoe_product_isa isa;
    double bound;
  } trials[] = {
#if defined(__x86_64__)
      {"bf16 widened to AVX2", 0, 0, SEGMOE_PRODUCT_AVX2, 0},
      {"int8 on AVX2", 1, 0, SEGMOE_PRODUCT_AVX2, 0},
      {"bf16 by VDPBF16PS", 0, 0, SEGMOE_PRODUCT_AVX512_BF16, 2e-6},
      {"the same, whole numbers", 0, 1, SEGMOE_PRODUCT_AVX512_BF16, 0},
      {"int8 by VPDPBUSD", 1, 0, SEGMOE_PRODUCT_AVX512_VNNI, 0},
      {"bf16 by AMX", 0, 0, SEGMOE_PRODUCT_AMX, 2e-6},
      {"the same, whole numbers", 0, 1, SEGMOE_PRODUCT_AMX, 0},
      {"int8 by AMX", 1, 0, SEGMOE_PRODUCT_AMX, 0},
#else
      {"int8 on NEON", 1, 0, SEGMOE_PRODUCT_NEON, 0},
      {"int8 by SDOT", 1, 0, SEGMOE_PRODUCT_NEON_DOT, 0},
      {"bf16 by BFDOT", 0, 0, SEGMOE_PRODUCT_NEON_BF16, 4e-6},
      {"the same, whole numbers", 0, 1, SEGMOE_PRODUCT_NEON_BF16, 0},
#endif
  };
#if defined(__x86_64__)
  enum { some_rows = 14 };
  static const size_t outputs[] = {1, 16, 17, 33, 48, 50, 64, 65, 100, 128};
#else
  // Tiles have one panel, and an emulated processor is slow.
  enum { some_rows = 7 };
  static const size_t outputs[] = {1, 16, 17, 50, 65};
#endif
  static const size_t depths[] = {1, 2, 3, 8, 67, 700};
  // Around AMX's tiles of 16 rows, pairs of them, and blocks of 96.
  static const size_t many_rows[] = {16, 17, 31, 32, 33, 97}, few_outputs[] = {17, 64, 100}, few_depths[] = {3, 67, 1100};
  // Rows, outputs, segments and their depth: what AMX joins to one segment in bfloat16, and what it does not.
  static const size_t convolutions[][4] = {{200, 40, 9, 32}, {300, 70, 9, 64}, {33, 17, 4, 96}, {40, 33, 9, 48}, {70, 33, 9, 640}};
#if defined(SEGMOE_SIMDE)
  int faults = tiles_faults();
#else
  int faults = 0;
#endif
  for (size_t t = 0; t < sizeof trials / sizeof trials[0]; t++) {
    double worst = 0;
    int cases = 0;
    if (!is_there(trials[t].isa)) {
      printf("%-24s the processor lacks it\n", trials[t].name);
      continue;
    }
    for (size_t rows = 1; rows <= some_rows; rows++)
      for (size_t o = 0; o < sizeof outputs / sizeof outputs[0]; o++)
        for (size_t d = 0; d < sizeof depths / sizeof depths[0]; d++)
          for (int gated = 0; gated < 2; gated++, cases++)
            faults += compare(rows, (segmoe_packing){outputs[o], 1 + rows % 3, depths[d], gated}, trials[t].in_int8,
                              trials[t].whole, trials[t].isa, trials[t].bound, &worst);
    for (size_t r = 0; r < sizeof many_rows / sizeof many_rows[0]; r++)
      for (size_t o = 0; o < sizeof few_outputs / sizeof few_outputs[0]; o++)
        for (size_t d = 0; d < sizeof few_depths / sizeof few_depths[0]; d++, cases++)
          faults += compare(many_rows[r], (segmoe_packing){few_outputs[o], 2, few_depths[d], 0}, trials[t].in_int8,
                            trials[t].whole, trials[t].isa, trials[t].bound, &worst);
    for (size_t c = 0; c < sizeof convolutions / sizeof convolutions[0]; c++, cases++)
      faults += compare(convolutions[c][0], (segmoe_packing){convolutions[c][1], convolutions[c][2], convolutions[c][3], 0},
                        trials[t].in_int8, trials[t].whole, trials[t].isa, trials[t].bound, &worst);
    printf("%-24s %d products, worst error %.2g of the root of the depth\n", trials[t].name, cases, worst);
  }
#if defined(SEGMOE_SIMDE)
  if (tiles_in_use()) printf("tiles: not released\n"), faults++;
#endif
  faults += reference_faults();
#if defined(__x86_64__)
  faults += power_faults("weights on AVX2", by_avx2);
  if (is_there(SEGMOE_PRODUCT_AVX512)) faults += power_faults("weights on AVX-512", by_avx512);
  faults += compare_attentions("attention on AVX2", SEGMOE_PRODUCT_AVX2, 1, 0);
  faults += compare_attentions("attention on AVX-512", SEGMOE_PRODUCT_AVX512, 1, 0);
  faults += compare_attentions("attention by VPDPBUSD", SEGMOE_PRODUCT_AVX512_VNNI, 1, 0);
  faults += compare_attentions("attention by AMX", SEGMOE_PRODUCT_AMX, 1, 0);
  faults += compare_attentions("bf16 by VDPBF16PS", SEGMOE_PRODUCT_AVX512_BF16, 0, 4e-3);
  faults += compare_attentions("bf16 by AMX", SEGMOE_PRODUCT_AMX, 0, 4e-3);
  if (is_there(SEGMOE_PRODUCT_AMX)) faults += cut_faults();
#else
  if (is_there(SEGMOE_PRODUCT_NEON_DOT)) faults += power_faults("weights on NEON", by_dot);
  faults += compare_attentions("attention by SDOT", SEGMOE_PRODUCT_NEON_DOT, 1, 0);
#endif
  return faults > 0;
}
