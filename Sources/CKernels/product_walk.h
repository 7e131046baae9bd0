// What the products of all precisions share: how a block of rows goes through the panels of a group.
#ifndef SEGMOE_PRODUCT_WALK_H
#define SEGMOE_PRODUCT_WALK_H

#include "isa.h"
#include "product.h"
#include "product_isa.h"
#include "variants.h"
#include <string.h>

#if defined(__x86_64__)
#if defined(SEGMOE_SIMDE)
// Benchmarks/check-avx512: the same source on a processor without these instructions.
#define SIMDE_ENABLE_NATIVE_ALIASES
#include <simde/x86/avx512.h>
#include <simde/x86/fma.h>
// SIMDe 0.7.4 has no such conversion.
static inline __m512 segmoe_cvtepi32_ps(__m512i x) {
  int32_t from[16];
  float to[16];
  memcpy(from, &x, sizeof from);
  for (int i = 0; i < 16; i++) to[i] = (float)from[i];
  return _mm512_loadu_ps(to);
}
#define _mm512_cvtepi32_ps segmoe_cvtepi32_ps
#define SEGMOE_TARGET(set)
#else
#include <immintrin.h>
#define SEGMOE_TARGET(set) __attribute__((target(set)))
#endif
#define SEGMOE_TILE(set) SEGMOE_TARGET(set) static inline __attribute__((always_inline))
#define SEGMOE_UNROLL _Pragma("clang loop unroll(full)")
#define SEGMOE_SET_AVX2 "avx2,fma"
#define SEGMOE_SET_AVX512 "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma"
#define SEGMOE_SET_VNNI "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma"
#define SEGMOE_SET_BF16 "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16,avx2,fma"
#endif

// Rows that a tile keeps in registers, and rows that go through a group together: with 640 values of
// each they fit a second-level cache.
enum { tile_rows = 6, block_rows = 96, group_panels = SEGMOE_GROUP / SEGMOE_PANEL };

/// Sums of a block of rows over a group, before they are finished.
typedef float segmoe_sums[block_rows][SEGMOE_GROUP];

/// Adds to `sums` what 1 to 6 rows give with 1 to 4 panels, `panel` bytes apart, over `steps` steps.
typedef void (*segmoe_strip)(size_t rows, size_t panels, const char *const *a, const char *b,
                             size_t panel, size_t steps, float *sums);

/// The strip for 1 to 6 rows and so many panels, of a TILE(rows, panels) with constant arguments.
#define SEGMOE_STRIP_ROWS(panels)                                                                  \
  switch (rows) {                                                                                  \
  case 6: TILE(6, panels); break;                                                                  \
  case 5: TILE(5, panels); break;                                                                  \
  case 4: TILE(4, panels); break;                                                                  \
  case 3: TILE(3, panels); break;                                                                  \
  case 2: TILE(2, panels); break;                                                                  \
  default: TILE(1, panels); break;                                                                 \
  }
#define SEGMOE_STRIP                                                                               \
  switch (panels) {                                                                                \
  case 4: SEGMOE_STRIP_ROWS(4) break;                                                              \
  case 3: SEGMOE_STRIP_ROWS(3) break;                                                              \
  case 2: SEGMOE_STRIP_ROWS(2) break;                                                              \
  default: SEGMOE_STRIP_ROWS(1) break;                                                             \
  }

/// How the products of one precision go through a packed weight. A step is what a strip's loop takes at a
/// time: a value, a pair or a quad.
typedef struct segmoe_walk {
  segmoe_strip strip;
  /// Steps of a piece, and the most that a strip runs over at a time.
  size_t steps, strip_steps;
  /// Bytes of a step in a panel, of a piece in a panel, of a step in a row.
  size_t panel_step, panel_piece, row_step;
  /// Writes so many steps of the panels at `b`, `panel` bytes apart, to `unpacked` as the strip reads
  /// them: panels of `unpacked_step` bytes a step. NULL if it reads them as they are.
  void (*unpack)(const char *b, size_t panels, size_t panel, size_t steps, void *unpacked);
  size_t unpacked_step;
} segmoe_walk;

/// Bytes that `unpack` may write.
enum { unpacked_bytes = 1 << 17 };

/// `segmoe_bf16_product` and its kin.
void segmoe_walk_product(const segmoe_packing *packing, const segmoe_walk *walk, const void *packed,
                         const void *const *pieces, size_t rows, size_t first, size_t last,
                         const segmoe_finish *finish, float *result, size_t stride);

/// The strip of single precision in one instruction set.
segmoe_strip segmoe_f32_strip(segmoe_isa isa);

/// Panels of a group that hold columns.
static inline size_t panels_of_group(const segmoe_packing *packing, size_t group) {
  if (packing->gated) return group_panels;
  size_t columns = packing->outputs - group * SEGMOE_GROUP;
  if (columns > SEGMOE_GROUP) columns = SEGMOE_GROUP;
  return (columns + SEGMOE_PANEL - 1) / SEGMOE_PANEL;
}

/// Panels of all groups.
static inline size_t segmoe_panels(const segmoe_packing *packing) {
  size_t panels = 0;
  for (size_t group = 0; group < segmoe_groups(packing); group++) panels += panels_of_group(packing, group);
  return panels;
}

/// The weight's row that column `lane` of a panel of a group is made of, or −1 for none. A gated group
/// has two panels of values and two of their gates.
static inline ptrdiff_t row_of_column(const segmoe_packing *packing, size_t group, size_t panel,
                                      size_t lane) {
  size_t column = group * SEGMOE_GROUP + panel * SEGMOE_PANEL + lane, offset = 0;
  if (packing->gated) {
    const size_t half = group_panels / 2;
    column = group * (SEGMOE_GROUP / 2) + panel % half * SEGMOE_PANEL + lane;
    offset = panel < half ? 0 : packing->outputs;
  }
  return column < packing->outputs ? (ptrdiff_t)(column + offset) : -1;
}

/// Bias, activation, row weights, base: from the sums of a group to the result.
void segmoe_finish_group(const segmoe_packing *packing, size_t group, const float *sums, size_t rows,
                         const segmoe_finish *finish, float *result, size_t stride);

#endif
