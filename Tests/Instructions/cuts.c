// Whether AMX's products and attention depend on how work is cut: into rows, into groups of columns, into pieces that are
// packed. No bit may. Memory is fresh for each part and filled with different bytes, so that nothing is read that was not written.
#include "cuts.h"
#include "attention_levels.h"
#include "product_levels.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int filling;

static void *fresh(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64 + 64);
  if (memory == NULL) exit(2);
  // 0xff and 0x7f make floats that are not numbers.
  static const int fillings[] = {0xff, 0, 0x7f};
  return memset(memory, fillings[filling++ % 3], (bytes + 63) / 64 * 64 + 64);
}

static float *uniform(size_t count) {
  float *x = fresh(count * sizeof(float));
  for (size_t i = 0; i < count; i++) x[i] = (float)rand() / (float)RAND_MAX * 2 - 1;
  return x;
}

typedef struct product {
  segmoe_packing packing;
  int in_int8;
  size_t rows;
  const float *x, *weight, *bias, *residual, *row_weights;
} product;

/// The product in parts of so many rows and groups. Groups are packed one by one, the last first.
static float *multiplied(const product *p, size_t rows, size_t groups) {
  const segmoe_packing *packing = &p->packing;
  const size_t segments = packing->segments, count = p->rows * segments, all = segmoe_groups(packing);
  const size_t bytes = p->in_int8 ? segmoe_int8_segment_bytes_at(SEGMOE_PRODUCT_AMX, packing->depth)
                                  : segmoe_bf16_segment_bytes_at(SEGMOE_PRODUCT_AMX, packing->depth);
  char *packed = fresh(p->in_int8 ? segmoe_int8_packed_bytes(packing) : segmoe_bf16_packed_bytes(packing));
  char *prepared = fresh(count * bytes);
  const void **places = fresh(count * sizeof *places);
  float *result = fresh(p->rows * packing->outputs * sizeof(float));
  for (size_t i = 0; i < count; i++) places[i] = prepared + i * bytes;
  for (size_t g = all; g-- > 0;) (p->in_int8 ? segmoe_int8_pack : segmoe_bf16_pack)(packing, p->weight, g, g + 1, packed);
  (p->in_int8 ? segmoe_int8_prologue_at : segmoe_bf16_prologue_at)(SEGMOE_PRODUCT_AMX, p->x, count, packing->depth, prepared);
  for (size_t r = 0; r < p->rows; r += rows)
    for (size_t g = 0; g < all; g += groups) {
      const size_t some = p->rows - r < rows ? p->rows - r : rows, last = all - g < groups ? all : g + groups;
      void *scratch = fresh(segmoe_product_scratch_at(SEGMOE_PRODUCT_AMX, packing, p->in_int8, some, last - g));
      const segmoe_epilogue epilogue = {
          .bias = p->bias, .row_weights = p->row_weights + r, .residual = p->residual + r * packing->outputs};
      (p->in_int8 ? segmoe_int8_product_at : segmoe_bf16_product_at)(
          SEGMOE_PRODUCT_AMX, packing, packed, places + r * segments, some, g, last, &epilogue,
          result + r * packing->outputs, packing->outputs, scratch);
      free(scratch);
    }
  free(packed), free(prepared), free(places);
  return result;
}

/// One weight is infinite: its column shows it, and no other does.
static int compare_products(size_t rows, segmoe_packing packing, int in_int8) {
  static const size_t some_rows[] = {16, 31, 96, 256}, some_groups[] = {1, 3};
  const size_t inner = packing.segments * packing.depth, columns = packing.outputs * (packing.gated ? 2 : 1);
  const size_t results = rows * packing.outputs;
  float *x = uniform(rows * inner), *weight = uniform(columns * inner), *bias = uniform(columns);
  float *residual = uniform(results), *row_weights = uniform(rows);
  // Of the last segment, when the sums of all groups are there.
  weight[inner - 1] = INFINITY;
  const product p = {packing, in_int8, rows, x, weight, bias, residual, row_weights};
  float *whole = multiplied(&p, rows, segmoe_groups(&packing));
  int faults = 0;
  for (size_t i = 0; i < results; i++) faults += isfinite(whole[i]) != (i % packing.outputs != 0);
  for (size_t r = 0; r < sizeof some_rows / sizeof *some_rows; r++)
    for (size_t g = 0; g < sizeof some_groups / sizeof *some_groups; g++) {
      float *cut = multiplied(&p, some_rows[r], some_groups[g]);
      for (size_t i = 0; i < results; i++) faults += isfinite(whole[i]) && memcmp(cut + i, whole + i, sizeof *cut) != 0;
      free(cut);
    }
  if (faults > 0)
    printf("cut product, int8 %d: %zu rows, %zu outputs, %zu segments of %zu: %d differ\n", in_int8, rows, packing.outputs,
           packing.segments, packing.depth, faults);
  free(x), free(weight), free(bias), free(residual), free(row_weights), free(whole);
  return faults;
}

/// Attention of 101 rows in parts of `rows`, its heads packed in pieces of so many panels, the last first.
static float *attended(int in_int8, size_t keys, size_t width, const float *q, const float *k, const float *v, size_t rows,
                       size_t panels) {
  const segmoe_product_isa isa = SEGMOE_PRODUCT_AMX;
  const segmoe_attention shape = {width, width, keys, width, 0.3f, 0};
  const size_t all = (keys + 7) / 8;
  float *packed_keys = fresh(4 * (in_int8 ? segmoe_packed_keys_int8_size_at : segmoe_packed_keys_bf16_size_at)(isa, keys, width));
  float *packed_values = fresh(4 * (in_int8 ? segmoe_packed_values_int8_size_at : segmoe_packed_values_bf16_size_at)(isa, keys, width));
  float *result = fresh(cut_rows * width * sizeof(float));
  if (in_int8) segmoe_measure_keys_int8(k, width, keys, width, packed_keys), segmoe_measure_values_int8(v, width, keys, width, packed_values);
  for (size_t piece = (all + panels - 1) / panels; piece-- > 0;) {
    const size_t first = piece * panels, last = first + panels < all ? first + panels : all;
    (in_int8 ? segmoe_pack_keys_int8_at : segmoe_pack_keys_bf16_at)(isa, k, width, keys, width, packed_keys, first, last);
    (in_int8 ? segmoe_pack_values_int8_at : segmoe_pack_values_bf16_at)(isa, v, width, keys, width, packed_values, first, last);
  }
  for (size_t r = 0; r < cut_rows; r += rows) {
    const size_t some = cut_rows - r < rows ? cut_rows - r : rows;
    float *scratch = fresh(segmoe_attention_scratch(some, width) * sizeof(float));
    if (in_int8)
      segmoe_attend_int8_at(isa, &shape, q + r * width, some, packed_keys, packed_values, result + r * width, scratch);
    else
      segmoe_attend_bf16_at(isa, &shape, q + r * width, r, some, packed_keys, packed_values, result + r * width, scratch);
    free(scratch);
  }
  free(packed_keys), free(packed_values);
  return result;
}

static int compare_attention(int in_int8, size_t keys, size_t width) {
  // A block of 128 keys is 16 panels.
  static const size_t rows[] = {17, 48, 96}, panels[] = {16, 64, 16};
  float *q = uniform(cut_rows * width), *k = uniform(keys * width), *v = uniform(keys * width);
  float *whole = attended(in_int8, keys, width, q, k, v, cut_rows, (keys + 7) / 8);
  int faults = 0;
  for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
    float *cut = attended(in_int8, keys, width, q, k, v, rows[i], panels[i]);
    faults += memcmp(cut, whole, cut_rows * width * sizeof(float)) != 0;
    free(cut);
  }
  if (faults > 0) printf("cut attention, int8 %d: %zu keys of %zu: %d differ\n", in_int8, keys, width, faults);
  free(q), free(k), free(v), free(whole);
  return faults;
}

int cut_faults(void) {
  // Several blocks of rows; a depth of which few rows fit; more groups than a part has; the gate.
  static const struct {
    size_t rows;
    segmoe_packing packing;
  } products[] = {{33, {200, 9, 32, 0}}, {300, {130, 9, 40, 0}}, {40, {100, 2, 11520, 0}}, {45, {1300, 5, 20, 0}}, {65, {330, 2, 130, 1}}};
  static const size_t keys[] = {7, 77, 136, 521}, widths[] = {1, 40, 67, 130};
  int faults = 0;
  for (size_t i = 0; i < sizeof products / sizeof *products; i++)
    for (int in_int8 = 0; in_int8 < 2; in_int8++) faults += compare_products(products[i].rows, products[i].packing, in_int8);
  for (size_t k = 0; k < sizeof keys / sizeof *keys; k++)
    for (size_t w = 0; w < sizeof widths / sizeof *widths; w++)
      for (int in_int8 = 0; in_int8 < 2; in_int8++) faults += compare_attention(in_int8, keys[k], widths[w]);
  printf("%-24s %d faults\n", "cut otherwise, on AMX", faults);
  return faults;
}
