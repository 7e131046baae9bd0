// Prints what every kernel computes of fixed numbers, a line each, as a digest. Two processors, or two sets of instructions,
// that print the same lines give the same bits (scripts/check-arm). The set is the one in use, or what SEGMOE_ISA asks for.
// Numbers that are none count alike, because processors give them different signs.
#include "kernels.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint32_t state;

/// Within ±`size`.
static void fill(float *x, size_t count, float size) {
  for (size_t i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    x[i] = (float)(int32_t)state * (0x1p-31f * size);
  }
}

static void *fresh(size_t bytes) {
  void *memory = aligned_alloc(64, (bytes + 63) / 64 * 64);
  if (memory == NULL) exit(2);
  return memset(memory, 0, (bytes + 63) / 64 * 64);
}

static float *numbers(size_t count, float size) {
  float *x = fresh(count * sizeof(float));
  fill(x, count, size);
  return x;
}

static void print_bytes(const char *name, const void *bytes, size_t count) {
  uint64_t digest = 14695981039346656037u;
  for (size_t i = 0; i < count; i++) digest = (digest ^ ((const uint8_t *)bytes)[i]) * 1099511628211u;
  printf("%-44s %016llx\n", name, (unsigned long long)digest);
}

static void print(const char *name, float *x, size_t count) {
  for (size_t i = 0; i < count; i++)
    if (isnan(x[i])) x[i] = NAN;
  print_bytes(name, x, count * sizeof(float));
}

typedef struct product {
  const char *name;
  size_t (*packed_bytes)(const segmoe_packing *);
  void (*pack)(const segmoe_packing *, const float *, size_t, size_t, void *);
  size_t (*segment_bytes)(size_t);
  void (*prologue)(const float *, size_t, size_t, void *);
  void (*multiply)(const segmoe_packing *, const void *, const void *const *, size_t, size_t, size_t,
                   const segmoe_epilogue *, float *, size_t, void *);
} product;

static void as_they_are(const float *x, size_t count, size_t depth, void *prepared) {
  memcpy(prepared, x, count * depth * sizeof(float));
}

/// Single precision's weight as bfloat16.
static void pack_for_widening(const segmoe_packing *packing, const float *weight, size_t first, size_t last, void *packed) {
  const size_t count = segmoe_f32_packed_bytes(packing) / sizeof(float);
  float *single = fresh(count * sizeof(float));
  segmoe_f32_pack(packing, weight, first, last, single);
  segmoe_f32_to_bf16(single, packed, count);
  free(single);
}

static void multiply(const product *kind, size_t rows, segmoe_packing packing, int activation, int added) {
  const size_t count = rows * packing.segments, columns = packing.outputs * (packing.gated ? 2 : 1);
  const size_t bytes = kind->segment_bytes(packing.depth), results = rows * packing.outputs;
  float *x = numbers(count * packing.depth, 1), *w = numbers(columns * packing.segments * packing.depth, 1);
  float *bias = numbers(columns, 1), *residual = numbers(results, 1), *weights = numbers(rows, 1);
  char *packed = fresh(kind->packed_bytes(&packing)), *prepared = fresh(count * bytes);
  const void **segments = fresh(count * sizeof(void *));
  float *result = fresh(results * sizeof(float));
  for (size_t i = 0; i < count; i++) segments[i] = prepared + i * bytes;
  kind->pack(&packing, w, 0, segmoe_groups(&packing), packed);
  kind->prologue(x, count, packing.depth, prepared);
  const segmoe_epilogue epilogue = {bias, (segmoe_activation)activation, added ? weights : NULL, added ? residual : NULL};
  const size_t groups = segmoe_groups(&packing), most = segmoe_product_scratch(&packing, 0, rows, groups);
  const size_t in_int8 = segmoe_product_scratch(&packing, 1, rows, groups);
  void *scratch = fresh((most > in_int8 ? most : in_int8) + 64);
  kind->multiply(&packing, packed, segments, rows, 0, groups, &epilogue, result, packing.outputs, scratch);
  free(scratch);
  char name[80];
  snprintf(name, sizeof name, "product %s %zux%zux%zux%zu %d%d%d", kind->name, rows, packing.segments, packing.depth,
           packing.outputs, packing.gated, activation, added);
  print(name, result, results);
  free(x), free(w), free(bias), free(residual), free(weights), free(packed), free(prepared), free(segments), free(result);
}

typedef struct attention {
  const char *name;
  size_t (*keys_size)(size_t, size_t), (*values_size)(size_t, size_t);
  void (*measure_keys)(const float *, size_t, size_t, size_t, void *);
  void (*measure_values)(const float *, size_t, size_t, size_t, void *);
  void (*pack_keys)(const float *, size_t, size_t, size_t, void *, size_t, size_t);
  void (*pack_values)(const float *, size_t, size_t, size_t, void *, size_t, size_t);
  void (*attend)(const segmoe_attention *, const float *, size_t, size_t, const void *, const void *, float *, float *);
} attention;

static void attend(const attention *kind, size_t rows, size_t keys, size_t width, int causal) {
  const segmoe_attention shape = {width, width, keys, width, 1 / sqrtf((float)width), causal};
  float *query = numbers(rows * width, 2), *key = numbers(keys * width, 2), *value = numbers(keys * width, 1);
  float *packed_keys = fresh(kind->keys_size(keys, width) * 4), *packed_values = fresh(kind->values_size(keys, width) * 4);
  float *scratch = fresh(segmoe_attention_scratch(rows, width) * 4), *result = fresh(rows * width * 4);
  if (kind->measure_keys != NULL) {
    kind->measure_keys(key, width, keys, width, packed_keys);
    kind->measure_values(value, width, keys, width, packed_values);
  }
  kind->pack_keys(key, width, keys, width, packed_keys, 0, (keys + 7) / 8);
  kind->pack_values(value, width, keys, width, packed_values, 0, (keys + 7) / 8);
  kind->attend(&shape, query, 0, rows, packed_keys, packed_values, result, scratch);
  char name[80];
  snprintf(name, sizeof name, "attention %s %zux%zux%zu %d", kind->name, rows, keys, width, causal);
  print(name, result, rows * width);
  free(query), free(key), free(value), free(packed_keys), free(packed_values), free(scratch), free(result);
}

static void convolve(size_t height, size_t width, size_t inputs, size_t outputs, int enlarged, int in_bf16) {
  const segmoe_convolution shape = {height,  width, enlarged ? (height + 1) / 2 : height, enlarged ? (width + 1) / 2 : width,
                                    inputs, outputs, in_bf16};
  const size_t tiles = segmoe_winograd_tiles(&shape), panels = (outputs + 15) / 16, packed_count = panels * 9 * inputs * 16;
  float *x = numbers(shape.source_height * shape.source_width * inputs, 1), *w = numbers(outputs * inputs * 9, 1);
  float *bias = numbers(outputs, 1), *residual = numbers(height * width * outputs, 1);
  float *packed = fresh(packed_count * 4), *transformed = fresh(segmoe_winograd_input_size(&shape, tiles) * 4);
  uint16_t *rounded = fresh(packed_count * 2);
  float *result = fresh(height * width * outputs * 4), *scratch = fresh(segmoe_winograd_scratch(panels, tiles) * 4);
  segmoe_pack_convolution(w, outputs, inputs, 9, packed, 0, panels);
  segmoe_f32_to_bf16(packed, rounded, packed_count);
  for (size_t tile = 0; tile < tiles; tile++) segmoe_winograd_input(&shape, x, 0, tile, tiles, transformed);
  const segmoe_winograd_epilogue epilogue = {bias, 0, residual};
  segmoe_winograd_multiply(&shape, &epilogue, in_bf16 ? (const void *)rounded : packed, 0, panels, transformed, 0, tiles, 0,
                           tiles, result, scratch);
  char name[80];
  snprintf(name, sizeof name, "convolution %zux%zux%zux%zu %d%d", height, width, inputs, outputs, enlarged, in_bf16);
  print(name, result, height * width * outputs);
  free(x), free(w), free(bias), free(residual), free(packed), free(transformed), free(rounded), free(result), free(scratch);
}

static void convert(void) {
  enum { count = 1 << 16, many = 1 << 20 };
  uint16_t *halves = fresh(count * 2), *found = fresh(many * 2);
  float *x = fresh(many * 4);
  for (size_t i = 0; i < count; i++) halves[i] = (uint16_t)i;
  segmoe_f16_to_f32(halves, x, count);
  print_bytes("every half", x, count * 4);
  segmoe_bf16_to_f32(halves, x, count);
  print_bytes("every bfloat16", x, count * 4);
  // Every exponent, ties, and the numbers beside them.
  for (uint32_t i = 0; i < many; i++) {
    const uint32_t bits = (i << 12) + (i * 2654435761u >> 30) - 1;
    memcpy(x + i, &bits, sizeof bits);
  }
  segmoe_f32_to_f16(x, found, many);
  print_bytes("to half", found, many * 2);
  segmoe_f32_to_bf16(x, found, many);
  print_bytes("to bfloat16", found, many * 2);
  free(halves), free(found), free(x);
}

static void apply(const char *name, void (*function)(const float *, float *, size_t), float *x, size_t count) {
  float *result = fresh(count * 4);
  function(x, result, count);
  print(name, result, count);
  free(result);
}

static void elementwise(void) {
  enum { rows = 23, width = 131, count = rows * width };
  float *x = numbers(count, 100), *y = numbers(count, 1), *result = fresh(count * 4);
  fill(x, count / 2, 3);
  apply("silu", segmoe_silu, x, count);
  apply("gelu", segmoe_gelu, x, count);
  apply("quick gelu", segmoe_quick_gelu, x, count);
  apply("relu", segmoe_relu, x, count);
  segmoe_add_scaled(x, 0.3f, y, count);
  segmoe_add_weighted_rows(x, y, y, rows, width);
  segmoe_add_row(x, y, rows, width);
  print("sums", y, count);
  double sums[2][width] = {{0}};
  segmoe_channel_moments(x, rows, width, sums[0], sums[1]);
  print_bytes("moments", sums, sizeof sums);
  segmoe_scale_shift(x, result, rows, width, y, y + width, 1);
  print("scaled, silu", result, count);
  segmoe_layer_norm(x, result, rows, width, y, y + width, 1e-5f);
  print("layer norm", result, count);
  free(x), free(y), free(result);
}

static void unpack(const char *name, void (*function)(const void *, float *, size_t), size_t bytes, size_t values) {
  enum { blocks = 50 };
  uint8_t *source = fresh(blocks * bytes);
  float *result = fresh(blocks * values * 4);
  for (size_t i = 0; i < blocks * bytes; i++) {
    state = state * 1664525u + 1013904223u;
    source[i] = (uint8_t)(state >> 24);
  }
  function(source, result, blocks);
  print(name, result, blocks * values);
  free(source), free(result);
}

int main(void) {
  static const product products[] = {
      {"f32", segmoe_f32_packed_bytes, segmoe_f32_pack, segmoe_f32_segment_bytes, as_they_are, segmoe_f32_product},
      {"f32 by bf16", segmoe_f32_packed_bytes, pack_for_widening, segmoe_f32_segment_bytes, as_they_are,
       segmoe_f32_product_of_bf16},
      {"bf16", segmoe_bf16_packed_bytes, segmoe_bf16_pack, segmoe_bf16_segment_bytes, segmoe_bf16_prologue,
       segmoe_bf16_product},
      {"int8", segmoe_int8_packed_bytes, segmoe_int8_pack, segmoe_int8_segment_bytes, segmoe_int8_prologue,
       segmoe_int8_product},
  };
  static const attention attentions[] = {
      {"f32", segmoe_packed_keys_size, segmoe_packed_values_size, NULL, NULL, segmoe_pack_keys, segmoe_pack_values,
       segmoe_attend},
      {"int8", segmoe_packed_keys_int8_size, segmoe_packed_values_int8_size, segmoe_measure_keys_int8,
       segmoe_measure_values_int8, segmoe_pack_keys_int8, segmoe_pack_values_int8, segmoe_attend_int8},
  };
  for (size_t p = 0; p < sizeof products / sizeof products[0]; p++) {
    for (size_t rows = 1; rows <= 7; rows++) multiply(products + p, rows, (segmoe_packing){83, 2, 67, 0}, 0, rows % 2);
    multiply(products + p, 97, (segmoe_packing){130, 1, 1030, 0}, 0, 1);
    multiply(products + p, 19, (segmoe_packing){40, 1, 64, 1}, 0, 1);
    for (int activation = 1; activation <= 4; activation++)
      multiply(products + p, 5, (segmoe_packing){33, 1, 31, 0}, activation, 0);
  }
  for (size_t a = 0; a < sizeof attentions / sizeof attentions[0]; a++) {
    attend(attentions + a, 1, 1, 1, 0);
    attend(attentions + a, 13, 77, 40, 0);
    attend(attentions + a, 70, 300, 17, 0);
    attend(attentions + a, 48, 259, 64, 0);
  }
  attend(attentions, 77, 77, 64, 1);
  convolve(9, 7, 19, 20, 0, 0);
  convolve(16, 16, 70, 64, 1, 0);
  convolve(8, 12, 35, 33, 0, 1);
  convert();
  elementwise();
  unpack("q4_0", segmoe_unpack_q4_0, 18, 32);
  unpack("q4_1", segmoe_unpack_q4_1, 20, 32);
  unpack("q5_0", segmoe_unpack_q5_0, 22, 32);
  unpack("q5_1", segmoe_unpack_q5_1, 24, 32);
  unpack("q8_0", segmoe_unpack_q8_0, 34, 32);
  unpack("q2_k", segmoe_unpack_q2_k, 84, 256);
  unpack("q3_k", segmoe_unpack_q3_k, 110, 256);
  unpack("q4_k", segmoe_unpack_q4_k, 144, 256);
  unpack("q5_k", segmoe_unpack_q5_k, 176, 256);
  unpack("q6_k", segmoe_unpack_q6_k, 210, 256);
  return 0;
}
