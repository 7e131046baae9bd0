// Holds the microkernels of VNNI, BF16 and AMX, and attention in int8, against the scalar reference on a processor without
// AVX-512: the kernels are compiled with SIMDe and tiles.c in place of the instructions (scripts/check-avx512). Every
// remainder of rows, columns and depth, gated or not. int8 and plain AVX-512 must give the reference's bits; SIMDe adds the
// two products of VDPBF16PS before it adds them to the sum, and TDPBF16PS sums the first and the second values of pairs for
// themselves, so that there rounding may differ. It may not where numbers are whole.
#include "attention_levels.h"
#include "convert.h"
#include "isa.h"
#include "product.h"
#include "product_levels.h"
#include "tiles.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// In place of isa.c.
segmoe_isa segmoe_isa_in_use(void) { return SEGMOE_ISA_AVX2; }

/// Numbers within ±1; or whole ones within ±8, of which no sum is rounded.
static float uniform(int whole) {
  const float x = (float)rand() / (float)RAND_MAX * 2 - 1;
  return whole ? rintf(8 * x) : x;
}

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
  // A convolution's rows are not equally far apart: here those of every other case.
  for (size_t i = 0; i < count; i++) segments[i] = prepared + (rows % 2 == 1 && (i ^ 1) < count ? i ^ 1 : i) * bytes;
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
static float *attend(segmoe_product_isa level, const segmoe_attention *shape, size_t rows, const float *query,
                     const float *key, const float *value) {
  const size_t keys = shape->keys, width = shape->width, panels = (keys + 7) / 8;
  float *packed_keys = fresh(segmoe_packed_keys_int8_size_at(level, keys, width) * sizeof(float));
  float *packed_values = fresh(segmoe_packed_values_int8_size_at(level, keys, width) * sizeof(float));
  float *scratch = fresh(segmoe_attention_scratch(rows, width) * sizeof(float));
  float *result = fresh(rows * width * sizeof(float));
  segmoe_measure_keys_int8(key, width, keys, width, packed_keys);
  segmoe_measure_values_int8(value, width, keys, width, packed_values);
  segmoe_pack_keys_int8_at(level, key, width, keys, width, packed_keys, 0, panels);
  segmoe_pack_values_int8_at(level, value, width, keys, width, packed_values, 0, panels);
  segmoe_attend_int8_at(level, shape, query, rows, packed_keys, packed_values, result, scratch);
  free(packed_keys), free(packed_values), free(scratch);
  return result;
}

/// Whether a level's attention has other bits than the reference's.
static int compare_attention(segmoe_product_isa level, size_t rows, size_t keys, size_t width) {
  const segmoe_attention shape = {width, width, keys, width, 1 / sqrtf((float)width), 0};
  float *query = fresh(rows * width * 4), *key = fresh(keys * width * 4), *value = fresh(keys * width * 4);
  for (size_t i = 0; i < rows * width; i++) query[i] = 2 * uniform(0);
  for (size_t i = 0; i < keys * width; i++) key[i] = 2 * uniform(0), value[i] = uniform(0);
  float *expected = attend(SEGMOE_PRODUCT_SCALAR, &shape, rows, query, key, value);
  float *found = attend(level, &shape, rows, query, key, value);
  const int differ = memcmp(expected, found, rows * width * sizeof(float)) != 0;
  if (differ) printf("attention, level %d: %zu rows, %zu keys of %zu differ\n", level, rows, keys, width);
  free(query), free(key), free(value), free(expected), free(found);
  return differ;
}

static int compare_attentions(const char *name, segmoe_product_isa level) {
  static const size_t rows[] = {1, 16, 17, 47, 96}, keys[] = {1, 3, 8, 77, 128, 259}, widths[] = {1, 5, 8, 40, 67};
  int faults = 0, cases = 0;
  for (size_t r = 0; r < sizeof rows / sizeof rows[0]; r++)
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++)
      for (size_t w = 0; w < sizeof widths / sizeof widths[0]; w++, cases++)
        faults += compare_attention(level, rows[r], keys[k], widths[w]);
  printf("%-24s %d attentions, %d of them differ\n", name, cases, faults);
  return faults;
}

/// Whether the tiles multiply as Intel's manual says, where that shows: one row and one column.
static int compare_tiles(void) {
  static const struct {
    const char *what;
    float before;
    uint16_t x[4], w[4];
    float expected;
  } cases[] = {
      // 1.0 is 0x3f80, 2^-24 is 0x3380, the least normal number 0x0080.
      {"first and second values have sums of their own", 0, {0x3f80, 0x3380, 0x3380, 0x3380}, {0x3f80, 0x3f80, 0x3f80, 0x3f80},
       1 + 0x1p-23f},
      {"what was there is added last", 0x1p24f, {0x3f80, 0x3f80, 0, 0}, {0x3f80, 0x3f80, 0, 0}, 0x1p24f + 2},
      {"a subnormal number is 0", 0, {0x0040, 0, 0, 0}, {0x7f00, 0, 0, 0}, 0},
      {"a subnormal product is 0", 0, {0x0080, 0, 0, 0}, {0x3f00, 0, 0, 0}, 0},
      {"a subnormal sum that was there is 0", 0x1p-130f, {0, 0, 0, 0}, {0, 0, 0, 0}, 0},
  };
  uint8_t shapes[64] = {1};
  int faults = 0;
  // Tile 0: a row of one sum; 1: a row of two pairs; 2: two rows of a pair.
  shapes[16] = 4, shapes[18] = 8, shapes[20] = 4, shapes[48] = 1, shapes[49] = 1, shapes[50] = 2;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    float found = cases[i].before;
    _tile_loadconfig(shapes);
    _tile_loadd(0, &found, 4);
    _tile_loadd(1, cases[i].x, 8);
    _tile_loadd(2, cases[i].w, 4);
    _tile_dpbf16ps(0, 1, 2);
    _tile_stored(0, &found, 4);
    if (found == cases[i].expected) continue;
    printf("tiles: %s: %g instead of %g\n", cases[i].what, found, cases[i].expected);
    faults++;
  }
  const uint8_t x[8] = {255, 1, 0, 0, 0, 0, 0, 2};
  const int8_t w[8] = {-128, 127, 3, 3, 3, 3, 3, -5};
  int32_t found = 1000;
  _tile_loadd(0, &found, 4);
  _tile_loadd(1, x, 8);
  _tile_loadd(2, w, 4);
  _tile_dpbusd(0, 1, 2);
  _tile_stored(0, &found, 4);
  _tile_release();
  if (found != 1000 - 255 * 128 + 127 - 10) printf("tiles: bytes: %d\n", found), faults++;
  return faults;
}

int main(void) {
  static const struct {
    const char *name;
    int in_int8, whole;
    segmoe_product_isa isa;
    double bound;
  } trials[] = {
      {"bf16 widened to AVX2", 0, 0, SEGMOE_PRODUCT_AVX2, 0},
      {"int8 on AVX2", 1, 0, SEGMOE_PRODUCT_AVX2, 0},
      {"bf16 by VDPBF16PS", 0, 0, SEGMOE_PRODUCT_AVX512_BF16, 2e-6},
      {"the same, whole numbers", 0, 1, SEGMOE_PRODUCT_AVX512_BF16, 0},
      {"int8 by VPDPBUSD", 1, 0, SEGMOE_PRODUCT_AVX512_VNNI, 0},
      {"bf16 by AMX", 0, 0, SEGMOE_PRODUCT_AMX, 2e-6},
      {"the same, whole numbers", 0, 1, SEGMOE_PRODUCT_AMX, 0},
      {"int8 by AMX", 1, 0, SEGMOE_PRODUCT_AMX, 0},
  };
  static const size_t outputs[] = {1, 16, 17, 33, 48, 50, 64, 65, 100, 128}, depths[] = {1, 2, 3, 8, 67, 700};
  // Around AMX's tiles of 16 rows, calls of 32, and blocks of 96.
  static const size_t many_rows[] = {16, 17, 31, 32, 33, 97}, few_outputs[] = {17, 64, 100}, few_depths[] = {3, 67, 1100};
  int faults = compare_tiles();
  for (size_t t = 0; t < sizeof trials / sizeof trials[0]; t++) {
    double worst = 0;
    int cases = 0;
    for (size_t rows = 1; rows <= 14; rows++)
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
    faults += compare(200, (segmoe_packing){40, 9, 32, 0}, trials[t].in_int8, trials[t].whole, trials[t].isa,
                      trials[t].bound, &worst);
    printf("%-24s %d products, worst error %.2g of the root of the depth\n", trials[t].name, cases + 1, worst);
  }
  if (tiles_in_use()) printf("tiles: not released\n"), faults++;
  faults += compare_attentions("attention on AVX2", SEGMOE_PRODUCT_AVX2);
  faults += compare_attentions("attention on AVX-512", SEGMOE_PRODUCT_AVX512);
  faults += compare_attentions("attention by VPDPBUSD", SEGMOE_PRODUCT_AVX512_VNNI);
  return faults > 0;
}
