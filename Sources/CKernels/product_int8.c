// Products in int8. int8.h says how weights and rows are stored.
#include "int8.h"
#include "macrokernel.h"
#include "product_amx.h"
#include "product_levels.h"
#include "product_neon.h"
#include "scaled_sums.h"
#include "targets.h"

/// The reference of all microkernels. `steps` are quads.
static void microkernel_scalar(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                         size_t quads, float *sums) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < panels * SEGMOE_PANEL; c++) {
      const segment_head *segment = (const segment_head *)a[r];
      const int16_t *x = (const int16_t *)(segment + 1);
      const panel_head *head = (const panel_head *)(b + c / SEGMOE_PANEL * panel);
      const int8_t *w = (const int8_t *)(head + 1) + c % SEGMOE_PANEL * 4;
      int32_t sum = 0;
      for (size_t k = 0; k < quads * 4; k++) sum += x[k] * w[k / 4 * SEGMOE_PANEL * 4 + k % 4];
      sums[r * SEGMOE_GROUP + c] += (float)sum * head->scale[c % SEGMOE_PANEL] * segment->scale;
    }
}

#if defined(__x86_64__)
// Half a panel, eight columns. 32 bits hold two products, so that a lane sums the first or the second
// half of every quad of one column; pairs of lanes are added at the end.
SEGMOE_TILE(SEGMOE_SET_AVX2)
void tile_avx2(const size_t rows, const char *const *a, const char *b, size_t half, size_t quads,
               float *sums) {
  __m256i sum[tile_rows][2];
  const int16_t *x[tile_rows];
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    x[r] = (const int16_t *)(a[r] + sizeof(segment_head));
    sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  }
  const panel_head *head = (const panel_head *)b;
  const char *w = b + sizeof(panel_head) + half * 32;
  for (size_t q = 0; q < quads; q++, w += 64) {
    const __m256i w0 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)w));
    const __m256i w1 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + 16)));
    SEGMOE_UNROLL
    for (size_t r = 0; r < rows; r++) {
      int64_t quad;
      memcpy(&quad, x[r] + 4 * q, sizeof quad);
      const __m256i value = _mm256_set1_epi64x(quad);
      sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(value, w0));
      sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(value, w1));
    }
  }
  const __m256 scale = _mm256_loadu_ps(head->scale + half * 8);
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    // Columns 0 1 4 5 | 2 3 6 7 after the pairwise sum.
    const __m256i pairs = _mm256_hadd_epi32(sum[r][0], sum[r][1]);
    const __m256 whole = _mm256_cvtepi32_ps(_mm256_permute4x64_epi64(pairs, 0xd8));
    const float row_scale = ((const segment_head *)a[r])->scale;
    const __m256 value = _mm256_mul_ps(_mm256_mul_ps(whole, scale), _mm256_set1_ps(row_scale));
    float *target = sums + r * SEGMOE_GROUP + half * 8;
    _mm256_storeu_ps(target, _mm256_add_ps(_mm256_loadu_ps(target), value));
  }
}

SEGMOE_TARGET(SEGMOE_SET_AVX2)
static void microkernel_avx2(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                       size_t quads, float *sums) {
  for (; panels > 0; panels--, b += panel, sums += SEGMOE_PANEL)
    for (size_t half = 0; half < 2; half++) {
#define TILE(r, p) tile_avx2(r, a, b, half, quads, sums)
      SEGMOE_MICROKERNEL_ROWS(1)
#undef TILE
    }
}

SEGMOE_TILE(SEGMOE_SET_VNNI)
void tile_vnni(const size_t rows, const size_t panels, const char *const *a, const char *b, size_t panel,
               size_t quads, float *sums) {
  __m512i sum[tile_rows][group_panels];
  const char *x[tile_rows];
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    x[r] = a[r] + sizeof(segment_head);
    SEGMOE_UNROLL
    for (size_t v = 0; v < panels; v++)
      sum[r][v] = sums_of_zero_points((const panel_head *)(b + v * panel), ((const segment_head *)a[r])->zero);
  }
  const char *w = b + sizeof(panel_head);
  for (size_t q = 0; q < quads; q++, w += 64) {
    __m512i column[group_panels];
    SEGMOE_UNROLL
    for (size_t v = 0; v < panels; v++) column[v] = _mm512_loadu_si512((const void *)(w + v * panel));
    SEGMOE_UNROLL
    for (size_t r = 0; r < rows; r++) {
      int32_t quad;
      memcpy(&quad, x[r] + 4 * q, sizeof quad);
      const __m512i value = _mm512_set1_epi32(quad);
      SEGMOE_UNROLL
      for (size_t v = 0; v < panels; v++) sum[r][v] = _mm512_dpbusd_epi32(sum[r][v], value, column[v]);
    }
  }
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    SEGMOE_UNROLL
    for (size_t v = 0; v < panels; v++)
      add_scaled_sums(sum[r][v], (const panel_head *)(b + v * panel), ((const segment_head *)a[r])->scale,
                      sums + r * SEGMOE_GROUP + v * 16);
  }
}

SEGMOE_TARGET(SEGMOE_SET_VNNI)
static void microkernel_vnni(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                       size_t quads, float *sums) {
#define TILE(r, p) tile_vnni(r, p, a, b, panel, quads, sums)
  SEGMOE_MICROKERNEL
#undef TILE
}
#endif

static segmoe_microkernel microkernel_at(segmoe_product_isa isa) {
  switch (isa) {
#if defined(__x86_64__)
  case SEGMOE_PRODUCT_AVX512_BF16:
  case SEGMOE_PRODUCT_AVX512_VNNI: return microkernel_vnni;
  case SEGMOE_PRODUCT_AVX512:
  case SEGMOE_PRODUCT_AVX2: return microkernel_avx2;
#elif defined(__aarch64__)
  case SEGMOE_PRODUCT_NEON_BF16:
  case SEGMOE_PRODUCT_NEON_DOT: return segmoe_microkernel_neon_dot;
  case SEGMOE_PRODUCT_NEON: return segmoe_microkernel_neon_int8;
#endif
  default: return microkernel_scalar;
  }
}

void segmoe_int8_product_at(segmoe_product_isa isa, const segmoe_packing *packing, const void *packed,
                            const void *const *segments, size_t rows, size_t first, size_t last,
                            const segmoe_epilogue *epilogue, float *result, size_t stride, void *scratch) {
#if defined(__x86_64__)
  if (isa == SEGMOE_PRODUCT_AMX) {
    segmoe_amx_product(packing, 1, packed, segments, rows, first, last, epilogue, result, stride, scratch);
    return;
  }
#else
  (void)scratch;
#endif
  // A microkernel takes a whole segment: it scales the sums of just one.
  const size_t quads = quads_of(packing->depth);
  const segmoe_blocking blocking = {
      .microkernel = microkernel_at(isa),
      .steps = quads,
      .depth_steps = quads,
      .panel_segment = panel_segment_bytes(packing->depth),
  };
  segmoe_macrokernel(packing, &blocking, packed, segments, rows, first, last, epilogue, result, stride);
}
