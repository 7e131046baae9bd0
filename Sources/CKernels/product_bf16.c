// Products in bfloat16. The packed weight is `[panel][pair of k][16]` of 32 bits, the pair's second
// value in the upper half; a prepared row holds the same pairs for VDPBF16PS, AMX and BFDOT. For everything else it is
// rounded single precision, and panels are widened to that too, some pairs at a time for a block of rows:
// then it is a product of single precision. In rows and widened panels the second value of a pair comes
// first, which is the order that VDPBF16PS adds in.
#include "convert.h"
#include "product_amx.h"
#include "product_f32.h"
#include "product_levels.h"
#include "product_neon.h"
#include "targets.h"
#include "variants.h"

// Pairs that a microkernel runs over at a time: four panels of them stay in a second-level cache, and widened ones
// fit what there is for them.
enum { depth_pairs = 320, wide_pairs = unpacked_bytes / (2 * SEGMOE_GROUP * sizeof(float)) };

static size_t pairs_of(size_t depth) { return (depth + 1) / 2; }

static int reads_pairs(segmoe_product_isa isa) {
  return isa == SEGMOE_PRODUCT_AVX512_BF16 || isa == SEGMOE_PRODUCT_AMX || isa == SEGMOE_PRODUCT_NEON_BF16;
}

size_t segmoe_bf16_packed_bytes(const segmoe_packing *packing) {
  return segmoe_panels(packing) * packing->segments * pairs_of(packing->depth) * SEGMOE_PANEL * sizeof(uint32_t);
}

size_t segmoe_bf16_segment_bytes_at(segmoe_product_isa isa, size_t depth) {
  return pairs_of(depth) * 2 * (reads_pairs(isa) ? sizeof(uint16_t) : sizeof(float));
}

void segmoe_bf16_pack(const segmoe_packing *packing, const float *weight, size_t first, size_t last,
                      void *packed) {
  enum { some = 128 };
  const size_t pairs = pairs_of(packing->depth), row = packing->segments * packing->depth;
  const size_t panel_pairs = packing->segments * pairs;
  for (size_t group = first; group < last; group++)
    for (size_t panel = 0; panel < panels_of_group(packing, group); panel++) {
      uint32_t *target = (uint32_t *)packed + (group * group_panels + panel) * panel_pairs * SEGMOE_PANEL;
      for (size_t segment = 0; segment < packing->segments; segment++)
        // A few values at a time, so that what 16 rows write stays in the first-level cache.
        for (size_t k = 0; k < packing->depth; k += some) {
          const size_t count = packing->depth - k < some ? packing->depth - k : some;
          for (size_t lane = 0; lane < SEGMOE_PANEL; lane++) {
            uint16_t rounded[some + 1] = {0};
            const ptrdiff_t source = row_of_column(packing, group, panel, lane);
            if (source >= 0)
              segmoe_f32_to_bf16(weight + (size_t)source * row + segment * packing->depth + k, rounded, count);
            uint32_t *out = target + (segment * pairs + k / 2) * SEGMOE_PANEL + lane;
            for (size_t p = 0; p < pairs_of(count); p++)
              out[p * SEGMOE_PANEL] = rounded[2 * p] | (uint32_t)rounded[2 * p + 1] << 16;
          }
        }
    }
}

SEGMOE_BODY uint32_t rounded_bits(float x) {
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  const uint32_t quiet = (bits & 0xffff0000) | 0x400000;
  return (bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded;
}

/// `count` values, an even number of them, rounded; the two of a pair change places.
SEGMOE_BODY void round_to_bf16_body(const float *x, float *result, size_t count) {
  for (size_t i = 0; i < count; i += 2) {
    const uint32_t pair[2] = {rounded_bits(x[i + 1]), rounded_bits(x[i])};
    memcpy(result + i, pair, sizeof pair);
  }
}
SEGMOE_KERNEL(round_to_bf16, (const float *x, float *result, size_t count), (x, result, count))

/// Pairs of 16 columns to rows of 16 floats, the second value's first.
SEGMOE_BODY void widen_body(const uint32_t *pairs, size_t count, float *result) {
  // Left alone, clang makes vectors across pairs and scatters them.
#pragma clang loop vectorize(disable)
  for (size_t p = 0; p < count; p++, pairs += SEGMOE_PANEL, result += 2 * SEGMOE_PANEL) {
    uint32_t second[SEGMOE_PANEL], first[SEGMOE_PANEL];
    for (size_t i = 0; i < SEGMOE_PANEL; i++) second[i] = pairs[i] & 0xffff0000;
    for (size_t i = 0; i < SEGMOE_PANEL; i++) first[i] = pairs[i] << 16;
    memcpy(result, second, sizeof second);
    memcpy(result + SEGMOE_PANEL, first, sizeof first);
  }
}
SEGMOE_KERNEL(widen, (const uint32_t *pairs, size_t count, float *result), (pairs, count, result))

static void widen_panels(const char *b, size_t panels, size_t panel, size_t values, void *unpacked) {
  for (size_t p = 0; p < panels; p++)
    widen((const uint32_t *)(b + p * panel), values / 2, (float *)unpacked + p * values * SEGMOE_PANEL);
}

void segmoe_bf16_prologue_at(segmoe_product_isa isa, const float *x, size_t count, size_t depth, void *prepared) {
  const int pairs = reads_pairs(isa);
  const size_t bytes = segmoe_bf16_segment_bytes_at(isa, depth), odd = depth % 2;
  // Even segments lie side by side in either form.
  if (!odd) depth *= count, count = 1;
  for (size_t i = 0; i < count; i++) {
    char *segment = (char *)prepared + i * bytes;
    if (pairs) {
      segmoe_f32_to_bf16(x + i * depth, (uint16_t *)segment, depth);
      if (odd) ((uint16_t *)segment)[depth] = 0;
    } else {
      round_to_bf16(x + i * depth, (float *)segment, depth - odd);
      if (odd) {
        const float last[2] = {x[i * depth + depth - 1], 0};
        round_to_bf16(last, (float *)segment + depth - 1, 2);
      }
    }
  }
}

#if defined(__x86_64__)
/// sums += rows at `a` · panels `panel` bytes apart over so many pairs: 1 to 6 rows of pairs, 1 to 4 panels.
SEGMOE_TILE(SEGMOE_SET_BF16)
void tile_bf16(const size_t rows, const size_t panels, const char *const *a, const char *b, size_t panel,
               size_t pairs, float *sums) {
  __m512 sum[tile_rows][group_panels];
  const char *x[tile_rows];
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    x[r] = a[r];
    SEGMOE_UNROLL
    for (size_t v = 0; v < panels; v++)
      sum[r][v] = _mm512_loadu_ps(sums + r * SEGMOE_GROUP + v * 16);
  }
  for (size_t p = 0; p < pairs; p++, b += 64) {
    __m512i w[group_panels];
    SEGMOE_UNROLL
    for (size_t v = 0; v < panels; v++) w[v] = _mm512_loadu_si512((const void *)(b + v * panel));
    SEGMOE_UNROLL
    for (size_t r = 0; r < rows; r++) {
      int32_t pair;
      memcpy(&pair, x[r] + 4 * p, sizeof pair);
      const __m512i value = _mm512_set1_epi32(pair);
      SEGMOE_UNROLL
      for (size_t v = 0; v < panels; v++)
        sum[r][v] = _mm512_dpbf16_ps(sum[r][v], (__m512bh)value, (__m512bh)w[v]);
    }
  }
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    SEGMOE_UNROLL
    for (size_t v = 0; v < panels; v++) _mm512_storeu_ps(sums + r * SEGMOE_GROUP + v * 16, sum[r][v]);
  }
}

SEGMOE_TARGET(SEGMOE_SET_BF16)
static void microkernel_bf16(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                       size_t pairs, float *sums) {
#define TILE(r, p) tile_bf16(r, p, a, b, panel, pairs, sums)
  SEGMOE_MICROKERNEL
#undef TILE
}
#endif

/// What multiplies pairs.
static segmoe_microkernel microkernel_of_pairs(void) {
#if defined(__x86_64__)
  return microkernel_bf16;
#elif defined(__aarch64__)
  return segmoe_microkernel_neon_bf16;
#else
  return NULL;
#endif
}

/// What widened products run on.
static segmoe_isa wide_isa(segmoe_product_isa isa) {
  switch (isa) {
  case SEGMOE_PRODUCT_SCALAR: return SEGMOE_ISA_SCALAR;
  case SEGMOE_PRODUCT_AVX2: return SEGMOE_ISA_AVX2;
  case SEGMOE_PRODUCT_NEON:
  case SEGMOE_PRODUCT_NEON_DOT: return SEGMOE_ISA_NEON;
  default: return SEGMOE_ISA_AVX512;
  }
}

void segmoe_bf16_product_at(segmoe_product_isa isa, const segmoe_packing *packing, const void *packed,
                            const void *const *segments, size_t rows, size_t first, size_t last,
                            const segmoe_epilogue *epilogue, float *result, size_t stride, void *scratch) {
#if defined(__x86_64__)
  if (isa == SEGMOE_PRODUCT_AMX) {
    segmoe_amx_product(packing, 0, packed, segments, rows, first, last, epilogue, result, stride, scratch);
    return;
  }
#else
  (void)scratch;
#endif
  const size_t pairs = pairs_of(packing->depth), pair_bytes = SEGMOE_PANEL * sizeof(uint32_t);
  if (reads_pairs(isa)) {
    const segmoe_blocking blocking = {
        .microkernel = microkernel_of_pairs(),
        .steps = pairs,
        .depth_steps = depth_pairs,
        .panel_step = pair_bytes,
        .panel_segment = pairs * pair_bytes,
        .row_step = 2 * sizeof(uint16_t),
    };
    segmoe_macrokernel(packing, &blocking, packed, segments, rows, first, last, epilogue, result, stride);
    return;
  }
  const segmoe_blocking blocking = {
      .microkernel = segmoe_f32_microkernel(wide_isa(isa)),
      .steps = 2 * pairs,
      .depth_steps = 2 * wide_pairs,
      .panel_step = pair_bytes / 2,
      .panel_segment = pairs * pair_bytes,
      .row_step = sizeof(float),
      .unpack = widen_panels,
      .unpacked_step = SEGMOE_PANEL * sizeof(float),
  };
  segmoe_macrokernel(packing, &blocking, packed, segments, rows, first, last, epilogue, result, stride);
}
