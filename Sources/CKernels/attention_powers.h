// Weights of attention in int8 from the distances of scores to the highest, in 16 bits: a vector has twice as many lanes as in
// 32. A part of attention_int8.c, for each set of instructions; all give the same bits.
//
// A distance is 448 + 64 · x, x ≥ 0, rounded and at most 1024. Its weight is 255 · 2^−x, rounded: 255 for 448, 0 for 1024. So x
// is off by up to 1/128, and a weight by 0.5%, as much as values are by being rounded to 127 levels. The distance's upper bits
// are by how much a power from the table is shifted, its lowest six which power.
#ifndef SEGMOE_ATTENTION_POWERS_H
#define SEGMOE_ATTENTION_POWERS_H

#include "targets.h"

typedef int32_t integers_reference __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t integers_dot __attribute__((vector_size(16), aligned(4), may_alias));
typedef int32_t integers_avx2 __attribute__((vector_size(32), aligned(4), may_alias));
typedef int32_t integers_avx512 __attribute__((vector_size(64), aligned(4), may_alias));
typedef integers_avx512 integers_vnni, integers_tiles;

enum { nearest_distance = 448, farthest_distance = 1024, distance_steps = 64 };

// 65280 · 2^(−f/64) = 65280 − 2 · r: with u = f/64 as 16 bits, and products that are halved and rounded as PMULHRSW does,
// r = u · (C1 − u · (C2 − u · C3)). Fitted to the least relative error, 1.1e-4, over all 64.
enum { power_of_zero = 65280, power_1 = 22574, power_2 = 7549, power_3 = 1297 };

_Alignas(64) static const uint16_t powers_of_two[distance_steps] = {
  65280, 64578, 63884, 63196, 62516, 61844, 61178, 60520, 59868, 59222, 58584, 57952, 57328, 56710, 56100, 55494,
  54896, 54304, 53718, 53140, 52566, 52000, 51440, 50884, 50336, 49794, 49256, 48726, 48200, 47680, 47168, 46658,
  46156, 45660, 45166, 44682, 44200, 43724, 43254, 42788, 42326, 41872, 41422, 40976, 40534, 40098, 39666, 39240,
  38816, 38398, 37986, 37578, 37172, 36772, 36376, 35984, 35596, 35214, 34834, 34458, 34086, 33718, 33354, 32992,
};

/// The reference.
static inline integers_reference powers_reference(integers_reference pairs) {
  uint16_t t[sizeof pairs / sizeof(uint16_t)];
  memcpy(t, &pairs, sizeof t);
  for (size_t i = 0; i < sizeof t / sizeof *t; i++) {
    const uint32_t power = powers_of_two[t[i] % distance_steps];
    t[i] = (uint16_t)(((power >> t[i] / distance_steps) + 1) >> 1);
  }
  memcpy(&pairs, t, sizeof t);
  return pairs;
}

#if defined(__aarch64__)
BEGIN_SET(SEGMOE_SET_NEON_DOT)
static inline __attribute__((always_inline)) integers_dot powers_dot(integers_dot pairs) {
  const uint16x8_t t = (uint16x8_t)pairs;
  const int16x8_t u = (int16x8_t)vshrq_n_u16(vshlq_n_u16(t, 10), 1);
  int16x8_t r = vsubq_s16(vdupq_n_s16(power_2), vqrdmulhq_n_s16(u, power_3));
  r = vqrdmulhq_s16(u, vsubq_s16(vdupq_n_s16(power_1), vqrdmulhq_s16(u, r)));
  const uint16x8_t power = vsubq_u16(vdupq_n_u16(power_of_zero), (uint16x8_t)vshlq_n_s16(r, 1));
  const int16x8_t left = vnegq_s16((int16x8_t)vshrq_n_u16(t, 6));
  return (integers_dot)vrhaddq_u16(vshlq_u16(power, left), vdupq_n_u16(0));
}
END_SET
#endif

#if defined(__x86_64__)
BEGIN_SET(SEGMOE_SET_AVX2)
static inline __attribute__((always_inline)) integers_avx2 powers_avx2(integers_avx2 pairs) {
  const __m256i t = (__m256i)pairs;
  const __m256i u = _mm256_srli_epi16(_mm256_slli_epi16(t, 10), 1);
  __m256i r = _mm256_sub_epi16(_mm256_set1_epi16(power_2), _mm256_mulhrs_epi16(u, _mm256_set1_epi16(power_3)));
  r = _mm256_mulhrs_epi16(u, _mm256_sub_epi16(_mm256_set1_epi16(power_1), _mm256_mulhrs_epi16(u, r)));
  const __m256i power = _mm256_sub_epi16(_mm256_set1_epi16((short)power_of_zero), _mm256_slli_epi16(r, 1));
  // A shift by n is the upper half of a product with 2^(16 − n). Either byte of that comes from one table: 16 − n for the lower
  // one, 8 − n for the upper; a negative index gives 0.
  const __m256i shift = _mm256_srli_epi16(t, 6);
  const __m256i index = _mm256_sub_epi8(_mm256_set1_epi16(0x0810), _mm256_or_si256(shift, _mm256_slli_epi16(shift, 8)));
  const __m128i bits = _mm_setr_epi8(1, 2, 4, 8, 16, 32, 64, -128, 0, 0, 0, 0, 0, 0, 0, 0);
  const __m256i factor = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(bits), index);
  return (integers_avx2)_mm256_avg_epu16(_mm256_mulhi_epu16(power, factor), _mm256_setzero_si256());
}
END_SET

BEGIN_SET(SEGMOE_SET_AVX512)
static inline __attribute__((always_inline)) integers_avx512 powers_avx512(integers_avx512 pairs) {
  const __m512i t = (__m512i)pairs;
  const __m512i low = _mm512_loadu_si512(powers_of_two), high = _mm512_loadu_si512(powers_of_two + 32);
  const __m512i power = _mm512_permutex2var_epi16(low, t, high);
  return (integers_avx512)_mm512_avg_epu16(_mm512_srlv_epi16(power, _mm512_srli_epi16(t, 6)), _mm512_setzero_si512());
}
#define powers_vnni powers_avx512
#define powers_tiles powers_avx512
END_SET
#endif

#endif
