// Chooses what products of reduced precision run on, and never without a look at what comes out.
#include "product_isa.h"
#include "isa.h"
#include "product.h"
#include "product_speed.h"
#include <math.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

// -1: not chosen yet, none failed. Threads that choose at once choose the same.
static atomic_int chosen = -1, failed = -1;
// The level that this thread is checking, and what tests force on it; others go on with what was chosen.
static _Thread_local int trying = -1, forced = -1;

int segmoe_product_isa_available(segmoe_product_isa isa) {
  switch (isa) {
  case SEGMOE_PRODUCT_SCALAR:
    return 1;
#if defined(__x86_64__)
  case SEGMOE_PRODUCT_AVX2:
    return segmoe_isa_available(SEGMOE_ISA_AVX2);
  case SEGMOE_PRODUCT_AVX512:
    return segmoe_isa_available(SEGMOE_ISA_AVX512);
  case SEGMOE_PRODUCT_AVX512_VNNI:
    return segmoe_isa_available(SEGMOE_ISA_AVX512) && __builtin_cpu_supports("avx512vnni");
  case SEGMOE_PRODUCT_AVX512_BF16:
    return segmoe_product_isa_available(SEGMOE_PRODUCT_AVX512_VNNI) &&
           __builtin_cpu_supports("avx512bf16");
#endif
  default:
    return 0;
  }
}

const char *segmoe_product_isa_name(segmoe_product_isa isa) {
  static const char *const names[] = {"scalar", "avx2", "avx512", "avx512vnni", "avx512bf16"};
  return isa <= SEGMOE_PRODUCT_AVX512_BF16 ? names[isa] : "unknown";
}

int segmoe_product_isa_named(const char *name) {
  for (int isa = 0; isa <= SEGMOE_PRODUCT_AVX512_BF16; isa++)
    if (strcmp(name, segmoe_product_isa_name((segmoe_product_isa)isa)) == 0) return isa;
  return -1;
}

int segmoe_product_isa_asked(void) {
  const char *name = getenv("SEGMOE_ISA");
  return name == NULL ? -1 : segmoe_product_isa_named(name);
}

int segmoe_bf16_is_native(void) {
  const int asked = segmoe_product_isa_asked();
  return (asked < 0 || asked == SEGMOE_PRODUCT_AVX512_BF16) &&
         segmoe_product_isa_available(SEGMOE_PRODUCT_AVX512_BF16);
}

// A product with every remainder there is: 13 rows are two tiles and one row, 83 columns a group, a
// panel and three columns, 67 values neither pairs nor quads.
enum { rows = 13, columns = 83, count = 2, depth = 67, most_bytes = 1 << 17 };

typedef struct trial {
  float x[rows * count * depth], weight[columns * count * depth], bias[columns];
  _Alignas(64) char packed[most_bytes];
  _Alignas(64) char prepared[rows * count * (depth + 8) * 4];
} trial;

/// Small numbers of either sign, the same each time.
static void fill(float *x, size_t size, uint32_t *state) {
  for (size_t i = 0; i < size; i++) {
    *state = *state * 1664525u + 1013904223u;
    x[i] = (float)(int32_t)*state * 0x1p-31f;
  }
}

/// Computes the product in one level, by the very functions that renders call.
static void attempt(trial *trial, int in_int8, int isa, float *result) {
  const segmoe_packing packing = {.outputs = columns, .pieces = count, .depth = depth};
  const segmoe_finish finish = {.bias = trial->bias};
  const void *pieces[rows * count];
  const int before = trying;
  trying = isa;
  const size_t bytes = in_int8 ? segmoe_int8_piece_bytes(depth) : segmoe_bf16_piece_bytes(depth);
  for (size_t i = 0; i < rows * count; i++) pieces[i] = trial->prepared + i * bytes;
  if (in_int8) {
    segmoe_int8_pack(&packing, trial->weight, 0, segmoe_groups(&packing), trial->packed);
    segmoe_int8_prepare(trial->x, rows * count, depth, trial->prepared);
    segmoe_int8_product(&packing, trial->packed, pieces, rows, 0, segmoe_groups(&packing), &finish, result,
                        columns);
  } else {
    segmoe_bf16_pack(&packing, trial->weight, 0, segmoe_groups(&packing), trial->packed);
    segmoe_bf16_prepare(trial->x, rows * count, depth, trial->prepared);
    segmoe_bf16_product(&packing, trial->packed, pieces, rows, 0, segmoe_groups(&packing), &finish, result,
                        columns);
  }
  trying = before;
}

/// Whether a level gives what the scalar reference gives. Sums of 134 products below 1 that are
/// rounded one by one in another order differ by less than the bound; a fault differs by far more.
static int is_right(segmoe_product_isa isa) {
  // malloc would not align it as its members are.
  trial *trial = aligned_alloc(_Alignof(struct trial), sizeof *trial);
  float(*results)[rows * columns] = malloc(2 * sizeof *results);
  int right = trial != NULL && results != NULL;
  if (right) {
    uint32_t state = 1;
    fill(trial->x, rows * count * depth, &state);
    fill(trial->weight, columns * count * depth, &state);
    fill(trial->bias, columns, &state);
    for (int in_int8 = 0; in_int8 < 2; in_int8++) {
      attempt(trial, in_int8, SEGMOE_PRODUCT_SCALAR, results[0]);
      attempt(trial, in_int8, (int)isa, results[1]);
      for (size_t i = 0; i < rows * columns; i++)
        if (!(fabsf(results[0][i] - results[1][i]) <= 2e-5f)) right = 0;
    }
  }
  free(trial);
  free(results);
  return right;
}

/// Seconds of a product in bfloat16 in one level.
static double seconds_in(segmoe_product_isa isa) {
  const int before = trying;
  trying = (int)isa;
  const double seconds = segmoe_bf16_product_seconds();
  trying = before;
  return seconds;
}

/// Whether VDPBF16PS pays, which does the work of two fused multiply-adds: on Zen 4 in the time of one, on
/// Sapphire and Emerald Rapids in that of four. Every start must choose alike, on a busy machine as well, since a picture
/// depends on it: the two are tried in turn, and the line between them lies well away from both.
static int is_fast(segmoe_product_isa isa) {
  if (isa != SEGMOE_PRODUCT_AVX512_BF16) return 1;
  double native = INFINITY, wide = INFINITY;
  for (int round = 0; round < 4; round++) {
    native = fmin(native, seconds_in(isa));
    wide = fmin(wide, seconds_in(SEGMOE_PRODUCT_AVX512));
  }
  return native < 0.85 * wide;
}

static segmoe_product_isa best(void) {
  const int asked = segmoe_product_isa_asked();
  int isa = asked < 0 ? SEGMOE_PRODUCT_AVX512_BF16 : asked;
  while (isa > SEGMOE_PRODUCT_SCALAR) {
    if (segmoe_product_isa_available((segmoe_product_isa)isa)) {
      if (!is_right((segmoe_product_isa)isa)) {
        int none = -1;
        atomic_compare_exchange_strong(&failed, &none, isa);
      } else if (isa == asked || is_fast((segmoe_product_isa)isa)) {
        break;
      }
    }
    isa--;
  }
  return (segmoe_product_isa)isa;
}

segmoe_product_isa segmoe_product_isa_in_use(void) {
  if (trying >= 0) return (segmoe_product_isa)trying;
  if (forced >= 0) return (segmoe_product_isa)forced;
  int isa = atomic_load_explicit(&chosen, memory_order_acquire);
  if (isa < 0) {
    isa = (int)best();
    atomic_store_explicit(&chosen, isa, memory_order_release);
  }
  // The first three levels are those of isa.h.
  const int base = (int)segmoe_isa_in_use();
  return (segmoe_product_isa)(base < SEGMOE_ISA_AVX512 && isa > base ? base : isa);
}

int segmoe_product_isa_force(segmoe_product_isa isa) {
  if (!segmoe_product_isa_available(isa)) return 0;
  forced = (int)isa;
  return 1;
}

void segmoe_product_isa_release(void) { forced = -1; }

int segmoe_product_isa_failed(void) {
  (void)segmoe_product_isa_in_use();
  return atomic_load_explicit(&failed, memory_order_relaxed);
}
