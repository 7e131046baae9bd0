// Each kernel alone, one thread, against OpenBLAS: best of a few runs, in processor time of the thread.
#include "attention.h"
#include "convolution.h"
#include "convert.h"
#include "product.h"
#include "product_isa.h"
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

void openblas_set_num_threads(int);

// An attention is short, so that another process is seldom in the way of all runs.
enum { runs = 3, attention_runs = 12, panels_per_task = 4, tiles_per_task = 48 };

/// How many shapes of a list are measured: SHAPES of them, or all.
static size_t first(size_t count) {
  const char *wanted = getenv("SHAPES");
  const size_t most = wanted != NULL ? strtoul(wanted, NULL, 10) : count;
  return most < count ? most : count;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
  return t.tv_sec + 1e-9 * t.tv_nsec;
}

static float *numbers(size_t count) {
  static unsigned long state = 1;
  float *x = aligned_alloc(64, (count * sizeof(float) + 63) / 64 * 64);
  for (size_t i = 0; i < count; i++) {
    state = state * 6364136223846793005ul + 1442695040888963407ul;
    x[i] = (float)(long)(state >> 33) / 1073741824.0f - 1.0f;
  }
  return x;
}

/// GFLOP/s of rows × depth by depth × columns, the weight transposed as torch keeps it.
static double openblas(size_t rows, size_t depth, size_t columns) {
  float *a = numbers(rows * depth), *b = numbers(columns * depth), *c = numbers(rows * columns);
  double best = 1e9;
  for (int run = 0; run < runs; run++) {
    const double start = now();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)rows, (int)columns, (int)depth, 1, a,
                (int)depth, b, (int)depth, 0, c, (int)columns);
    best = fmin(best, now() - start);
  }
  free(a), free(b), free(c);
  return 2e-9 * (double)(rows * depth * columns) / best;
}

/// Seconds of a 3×3 convolution as a product of the same packed weight with the pixels where they are. The picture is
/// one of those that the engine would have, or the first rows of it.
static double direct(size_t batch, size_t size, size_t inputs, size_t outputs, int bf16, const float *x,
                     const void *packed, size_t most) {
  const segmoe_packing packing = {.outputs = outputs, .segments = 9, .depth = inputs};
  const segmoe_epilogue nothing = {0};
  const size_t positions = size * size, rows = batch * positions < most ? batch * positions : most;
  const size_t bytes = inputs * sizeof(float);
  float *zeros = calloc(inputs, sizeof(float)), *y = numbers(rows * outputs);
  const void **segments = malloc(9 * rows * sizeof(void *));
  double best = 1e9;
  for (int run = 0; run < runs; run++) {
    const double start = now();
    for (size_t row = 0, count; row < rows; row += count) {
      count = rows - row < positions - row % positions ? rows - row : positions - row % positions;
      const segmoe_picture picture = {(const char *)x + row / positions * positions * bytes, zeros, bytes,
                                      (ptrdiff_t)size, (ptrdiff_t)size, 3, 1, 1, size};
      segmoe_convolution_segments(&picture, row % positions, count, segments + 9 * row);
    }
    (bf16 ? segmoe_f32_product_of_bf16 : segmoe_f32_product)(&packing, packed, segments, rows, 0, segmoe_groups(&packing),
                                                      &nothing, y, outputs, NULL);
    best = fmin(best, now() - start);
  }
  free(zeros), free(y), free(segments);
  return best / (double)rows;
}

/// Seconds of it by Winograd's algorithm, of an output position.
static double winograd(size_t batch, size_t size, size_t inputs, size_t outputs, int bf16, const float *x,
                       const void *packed) {
  const segmoe_convolution shape = {size, size, size, size, inputs, outputs, bf16};
  const size_t panels = (outputs + 15) / 16, all = batch * segmoe_winograd_tiles(&shape);
  const size_t tiles = all < 4 * tiles_per_task ? all : 4 * tiles_per_task;
  float *y = numbers(batch * size * size * outputs);
  float *transformed = numbers(segmoe_winograd_input_size(&shape, tiles));
  float *scratch = numbers(segmoe_winograd_scratch(panels_per_task, tiles_per_task));
  const segmoe_winograd_epilogue nothing = {NULL, 0, NULL};
  double best = 1e9;
  for (int run = 0; run < runs; run++) {
    const double start = now();
    for (size_t t = 0; t < tiles; t++) segmoe_winograd_input(&shape, x, 0, t, tiles, transformed);
    for (size_t p = 0; p < panels; p += panels_per_task)
      for (size_t t = 0; t < tiles; t += tiles_per_task)
        segmoe_winograd_multiply(&shape, &nothing, packed, p,
                                 panels - p < panels_per_task ? panels - p : panels_per_task,
                                 transformed, 0, tiles, t,
                                 tiles - t < tiles_per_task ? tiles - t : tiles_per_task, y, scratch);
    best = fmin(best, now() - start);
  }
  free(y), free(transformed), free(scratch);
  return best / (double)(batch * size * size) * (double)all / (double)tiles;
}

static void convolution(size_t batch, size_t size, size_t inputs, size_t outputs) {
  const size_t panels = (outputs + 15) / 16, weights = panels * 16 * inputs * 9;
  float *x = numbers(batch * size * size * inputs), *w = numbers(outputs * inputs * 9), *packed = numbers(weights);
  segmoe_pack_convolution(w, outputs, inputs, 9, packed, 0, panels);
  uint16_t *rounded = malloc(weights * sizeof(uint16_t));
  segmoe_f32_to_bf16(packed, rounded, weights);
  printf("%zux%3zux%3zu  %4zu > %4zu ", batch, size, size, inputs, outputs);
  for (int bf16 = 0; bf16 < 2; bf16++) {
    const void *weight = bf16 ? (const void *)rounded : packed;
    const double a = winograd(batch, size, inputs, outputs, bf16, x, weight);
    const double b = direct(batch, size, inputs, outputs, bf16, x, weight, 384);
    const double work = 2e-9 * 9.0 * (double)(inputs * outputs);
    printf("  %8.1f  %8.1f  %6.2f", work / a, work / b, b / a);
  }
  printf("\n");
  free(x), free(w), free(packed), free(rounded);
}

/// The kernels of attention in one arithmetic.
typedef struct attention_kind {
  const char *name;
  size_t (*keys_size)(size_t, size_t), (*values_size)(size_t, size_t);
  void (*measure_keys)(const float *, size_t, size_t, size_t, void *);
  void (*measure_values)(const float *, size_t, size_t, size_t, void *);
  void (*pack_keys)(const float *, size_t, size_t, size_t, void *, size_t, size_t);
  void (*pack_values)(const float *, size_t, size_t, size_t, void *, size_t, size_t);
  void (*attend)(const segmoe_attention *, const float *, size_t, size_t, const void *, const void *, float *, float *);
} attention_kind;

/// GFLOP/s of one head.
static double attention(const attention_kind *kind, size_t queries, size_t keys, size_t width) {
  float *q = numbers(queries * width), *k = numbers(keys * width), *v = numbers(keys * width);
  float *result = numbers(queries * width);
  float *pk = numbers(kind->keys_size(keys, width)), *pv = numbers(kind->values_size(keys, width));
  const size_t rows = 96, some = queries < 960 ? queries : 960;
  const size_t panels = (keys + SEGMOE_ATTENTION_PANEL - 1) / SEGMOE_ATTENTION_PANEL;
  float *scratch = numbers(segmoe_attention_scratch(rows, width));
  const segmoe_attention shape = {width, width, keys, width, 1 / sqrtf((float)width), 0};
  double best = 1e9;
  for (int run = 0; run < attention_runs; run++) {
    double start = now();
    if (kind->measure_keys != NULL) kind->measure_keys(k, width, keys, width, pk);
    if (kind->measure_values != NULL) kind->measure_values(v, width, keys, width, pv);
    kind->pack_keys(k, width, keys, width, pk, 0, panels);
    kind->pack_values(v, width, keys, width, pv, 0, panels);
    // Packing is done once for all queries.
    const double packing = (now() - start) * (double)some / (double)queries;
    start = now();
    for (size_t row = 0; row < some; row += rows)
      kind->attend(&shape, q + row * width, row, some - row < rows ? some - row : rows, pk, pv, result + row * width,
                   scratch);
    best = fmin(best, now() - start + packing);
  }
  free(q), free(k), free(v), free(result), free(pk), free(pv), free(scratch);
  return 4e-9 * (double)(some * keys * width) / best;
}

static void attentions(double peak) {
  const attention_kind kinds[] = {
    {"f32", segmoe_packed_keys_size, segmoe_packed_values_size, NULL, NULL, segmoe_pack_keys, segmoe_pack_values,
     segmoe_attend},
    {"bf16", segmoe_packed_keys_bf16_size, segmoe_packed_values_bf16_size, NULL, NULL, segmoe_pack_keys_bf16,
     segmoe_pack_values_bf16, segmoe_attend_bf16},
    {"int8", segmoe_packed_keys_int8_size, segmoe_packed_values_int8_size, segmoe_measure_keys_int8,
     segmoe_measure_values_int8, segmoe_pack_keys_int8, segmoe_pack_values_int8, segmoe_attend_int8},
  };
  const size_t shapes[][3] = {
    {4096, 4096, 40}, {4096, 77, 40}, {1024, 1024, 80}, {1024, 77, 80}, {256, 256, 160},
    {256, 77, 160},   {64, 64, 160},  {64, 77, 160},    {4096, 4096, 64}, {4096, 4096, 512},
  };
  printf("\nattention (GFLOP/s, and times OpenBLAS)\n                   ");
  for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) printf("%12s     ", kinds[k].name);
  printf("\n");
  for (size_t i = 0; i < first(sizeof shapes / sizeof *shapes); i++) {
    printf("%4zu to %4zu of %3zu ", shapes[i][0], shapes[i][1], shapes[i][2]);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
      const double rate = attention(&kinds[k], shapes[i][0], shapes[i][1], shapes[i][2]);
      printf("  %8.1f  %5.2f", rate, rate / peak);
    }
    printf("\n");
  }
}

typedef struct kind {
  const char *name;
  size_t (*packed_bytes)(const segmoe_packing *);
  size_t (*segment_bytes)(size_t);
  void (*pack)(const segmoe_packing *, const float *, size_t, size_t, void *);
  void (*prologue)(const float *, size_t, size_t, void *);
  void (*product)(const segmoe_packing *, const void *, const void *const *, size_t, size_t, size_t,
                  const segmoe_epilogue *, float *, size_t, void *);
} kind;

/// GFLOP/s of rows × depth by depth × columns with a weight packed before; rounding the rows counts.
static double packed_product(const kind *kind, size_t rows, size_t depth, size_t columns) {
  const segmoe_packing packing = {.outputs = columns, .segments = 1, .depth = depth};
  const segmoe_epilogue nothing = {0};
  const size_t bytes = kind->segment_bytes(depth), groups = segmoe_groups(&packing);
  float *x = numbers(rows * depth), *w = numbers(columns * depth), *y = numbers(rows * columns);
  char *packed = (char *)numbers(kind->packed_bytes(&packing) / sizeof(float) + 1);
  char *prepared = (char *)numbers(rows * bytes / sizeof(float) + 1);
  const void **segments = malloc(rows * sizeof(void *));
  const size_t most = segmoe_product_scratch(&packing, 0, rows, groups), in_int8 = segmoe_product_scratch(&packing, 1, rows, groups);
  float *scratch = numbers((most > in_int8 ? most : in_int8) / sizeof(float) + 1);
  kind->pack(&packing, w, 0, groups, packed);
  double best = 1e9;
  for (int run = 0; run < runs; run++) {
    const double start = now();
    if (kind->prologue != NULL) kind->prologue(x, rows, depth, prepared);
    const char *source = kind->prologue != NULL ? prepared : (const char *)x;
    for (size_t r = 0; r < rows; r++) segments[r] = source + r * bytes;
    kind->product(&packing, packed, segments, rows, 0, groups, &nothing, y, columns, scratch);
    best = fmin(best, now() - start);
  }
  free(x), free(w), free(y), free(packed), free(prepared), free(segments), free(scratch);
  return 2e-9 * (double)(rows * depth * columns) / best;
}

static void products(void) {
  const kind kinds[] = {
    {"f32", segmoe_f32_packed_bytes, segmoe_f32_segment_bytes, segmoe_f32_pack, NULL, segmoe_f32_product},
    {"bf16", segmoe_bf16_packed_bytes, segmoe_bf16_segment_bytes, segmoe_bf16_pack, segmoe_bf16_prologue,
     segmoe_bf16_product},
    {"int8", segmoe_int8_packed_bytes, segmoe_int8_segment_bytes, segmoe_int8_pack, segmoe_int8_prologue,
     segmoe_int8_product},
  };
  const size_t shapes[][3] = {
    {480, 320, 320}, {480, 320, 2560}, {480, 640, 640}, {480, 2560, 640}, {480, 1280, 1280}, {480, 5120, 1280},
    {96, 1280, 1280}, {2, 1280, 1280},
  };
  printf("\nlinear layers on %s (GFLOP/s; OpenBLAS in single precision)\n",
         segmoe_product_isa_name(segmoe_product_isa_in_use()));
  printf("rows depth columns     f32    bf16    int8  OpenBLAS\n");
  for (size_t i = 0; i < first(sizeof shapes / sizeof *shapes); i++) {
    const size_t rows = shapes[i][0], depth = shapes[i][1], columns = shapes[i][2];
    printf("%4zu %5zu %5zu    ", rows, depth, columns);
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++)
      printf("%8.1f", packed_product(&kinds[k], rows, depth, columns));
    printf("%8.1f\n", openblas(rows, depth, columns));
  }
}

int main(void) {
  openblas_set_num_threads(1);
  const double peak = openblas(1536, 1536, 1536);
  printf("OpenBLAS, 1536³: %.1f GFLOP/s, one thread\n\n", peak);
  printf("3x3 convolution, operations counted as of a direct one\n");
  printf("                         weight in f32               weight in bf16\n");
  printf("picture     channels      Winograd    direct   times  Winograd    direct   times   (GFLOP/s)\n");
  const size_t convolutions[][4] = {
    {2, 64, 320, 320},   {2, 64, 640, 320},   {2, 64, 960, 320},   {2, 64, 640, 640},   {2, 32, 320, 640},
    {2, 32, 640, 640},   {2, 32, 1280, 640},  {2, 32, 1920, 640},  {2, 32, 1280, 1280}, {2, 16, 640, 1280},
    {2, 16, 1280, 1280}, {2, 16, 2560, 1280}, {2, 8, 1280, 1280},  {2, 8, 2560, 1280},  {2, 64, 4, 320},
    {2, 64, 320, 4},     {1, 64, 4, 512},     {1, 64, 512, 512},   {1, 128, 512, 512},  {1, 256, 512, 256},
    {1, 256, 256, 256},  {1, 512, 256, 128},  {1, 512, 128, 128},  {1, 512, 128, 3},    {2, 9, 1280, 1280},
    {2, 18, 640, 640},   {2, 16, 96, 96},    {1, 1, 1280, 1280},  {2, 1, 1280, 1280},  {2, 2, 1280, 1280},
    {2, 3, 1280, 1280},  {2, 4, 1280, 1280},  {2, 4, 2560, 1280},  {1, 5, 1280, 1280},  {2, 5, 1280, 1280},
    {2, 6, 1280, 1280},  {2, 7, 1280, 1280},  {1, 8, 1280, 1280},  {1, 8, 640, 640},    {1, 8, 128, 128},
    {1, 4, 128, 128},    {2, 4, 128, 128},    {2, 2, 128, 128},    {1, 12, 1280, 1280},
  };
  for (size_t i = 0; i < first(sizeof convolutions / sizeof *convolutions); i++)
    convolution(convolutions[i][0], convolutions[i][1], convolutions[i][2], convolutions[i][3]);
  attentions(peak);
  products();
  return 0;
}
