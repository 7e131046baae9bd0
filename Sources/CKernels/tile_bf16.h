// 1 to 6 rows of pairs of bfloat16 times 1 to 4 panels of 16 columns, by VDPBF16PS, which adds the product of the
// second values first.
#ifndef SEGMOE_TILE_BF16_H
#define SEGMOE_TILE_BF16_H

#include "product_walk.h"

#if defined(__x86_64__)
/// sums = or += rows at `a` · panels `panel` bytes apart over so many pairs; rows of `sums` are `stride` floats apart.
SEGMOE_TILE(SEGMOE_SET_BF16)
void tile_bf16(const size_t rows, const size_t panels, const char *const *a, const char *b, size_t panel,
               size_t pairs, float *sums, size_t stride, const int accumulate) {
  __m512 sum[tile_rows][group_panels];
  const char *x[tile_rows];
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    x[r] = a[r];
    SEGMOE_UNROLL
    for (size_t v = 0; v < panels; v++)
      sum[r][v] = accumulate ? _mm512_loadu_ps(sums + r * stride + v * 16) : _mm512_setzero_ps();
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
    for (size_t v = 0; v < panels; v++) _mm512_storeu_ps(sums + r * stride + v * 16, sum[r][v]);
  }
}
#endif

#endif
