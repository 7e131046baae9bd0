// What int8's microkernels of 16 lanes do with the integer sums of a row over a segment.
#ifndef SEGMOE_SCALED_SUMS_H
#define SEGMOE_SCALED_SUMS_H

#include "int8.h"
#include "targets.h"

#if defined(__x86_64__)
/// The sums of a panel's columns in single precision, scaled by column and by row.
SEGMOE_TILE(SEGMOE_SET_AVX512)
__m512 scaled(__m512i sum, const panel_head *head, float row_scale) {
  return _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum), _mm512_loadu_ps(head->scale)), _mm512_set1_ps(row_scale));
}

/// Adds the same to `target`.
SEGMOE_TILE(SEGMOE_SET_AVX512)
void add_scaled_sums(__m512i sum, const panel_head *head, float row_scale, float *target) {
  _mm512_storeu_ps(target, _mm512_add_ps(_mm512_loadu_ps(target), scaled(sum, head, row_scale)));
}

/// What zero points add to a row's sums: −`zero` times the sums of the weights, which the panel knows.
SEGMOE_TILE(SEGMOE_SET_AVX512)
__m512i sums_of_zero_points(const panel_head *head, int32_t zero) {
  return _mm512_mullo_epi32(_mm512_set1_epi32(-zero), _mm512_loadu_si512((const void *)head->sum));
}
#endif

#endif
