// Half precision (IEEE binary16 and bfloat16) to single and back.
#include "convert.h"
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#define WIDE __attribute__((target("avx2,f16c")))
static int has_wide(void) { return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("f16c"); }
#elif defined(__aarch64__)
#include <arm_neon.h>
static int has_wide(void) { return 1; }
#endif

static inline uint32_t bits_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return bits;
}

static inline float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static inline float f16_to_f32_one(uint16_t half) {
  const uint32_t sign = (uint32_t)(half & 0x8000) << 16;
  const uint32_t exponent = (half >> 10) & 0x1f;
  const uint32_t fraction = half & 0x3ff;
  // A signalling NaN becomes quiet, as the processor's own conversion does.
  if (exponent == 0x1f) return float_of(sign | 0x7f800000 | fraction << 13 | (fraction != 0 ? 0x400000 : 0));
  if (exponent != 0) return float_of(sign | (exponent + 112) << 23 | fraction << 13);
  // Subnormal: fraction units of 2^-24, exact in single precision.
  const float magnitude = (float)fraction * 0x1p-24f;
  return float_of(sign | bits_of(magnitude));
}

static inline uint16_t f32_to_f16_one(float value) {
  const uint32_t bits = bits_of(value);
  const uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
  const uint32_t magnitude = bits & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 0x7e00 | (uint16_t)(magnitude >> 13 & 0x3ff);
  // 65520 is halfway between the largest half and the next step: from there on, infinity.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Subnormal half: adding 0.5 leaves the fraction in units of 2^-24, rounded to nearest even.
    const float shifted = float_of(magnitude) + 0.5f;
    return sign | (uint16_t)(bits_of(shifted) - 0x3f000000);
  }
  const uint32_t rounded = magnitude + 0xfff + (magnitude >> 13 & 1);
  return sign | (uint16_t)((rounded >> 13) - (112 << 10));
}

void segmoe_f16_to_f32_scalar(const uint16_t *source, float *result, size_t count) {
  for (size_t i = 0; i < count; i++) result[i] = f16_to_f32_one(source[i]);
}

void segmoe_bf16_to_f32_scalar(const uint16_t *source, float *result, size_t count) {
  for (size_t i = 0; i < count; i++) result[i] = float_of((uint32_t)source[i] << 16);
}

void segmoe_f32_to_f16_scalar(const float *source, uint16_t *result, size_t count) {
  for (size_t i = 0; i < count; i++) result[i] = f32_to_f16_one(source[i]);
}

void segmoe_f32_to_bf16_scalar(const float *source, uint16_t *result, size_t count) {
  for (size_t i = 0; i < count; i++) result[i] = segmoe_bf16_of(source[i]);
}

#if defined(__x86_64__)
WIDE static void f16_to_f32_wide(const uint16_t *source, float *result, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8)
    _mm256_storeu_ps(result + i, _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(source + i))));
  segmoe_f16_to_f32_scalar(source + i, result + i, count - i);
}

WIDE static void bf16_to_f32_wide(const uint16_t *source, float *result, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)(source + i)));
    _mm256_storeu_si256((__m256i *)(result + i), _mm256_slli_epi32(wide, 16));
  }
  segmoe_bf16_to_f32_scalar(source + i, result + i, count - i);
}

WIDE static void f32_to_f16_wide(const float *source, uint16_t *result, size_t count) {
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m128i half = _mm256_cvtps_ph(_mm256_loadu_ps(source + i), _MM_FROUND_TO_NEAREST_INT);
    _mm_storeu_si128((__m128i *)(result + i), half);
  }
  segmoe_f32_to_f16_scalar(source + i, result + i, count - i);
}

WIDE static void f32_to_bf16_wide(const float *source, uint16_t *result, size_t count) {
  const __m256i one = _mm256_set1_epi32(1), bias = _mm256_set1_epi32(0x7fff);
  const __m256i quiet = _mm256_set1_epi32(0x40);
  size_t i = 0;
  for (; i + 8 <= count; i += 8) {
    const __m256 value = _mm256_loadu_ps(source + i);
    const __m256i bits = _mm256_castps_si256(value);
    const __m256i upper = _mm256_srli_epi32(bits, 16);
    const __m256i odd = _mm256_and_si256(upper, one);
    const __m256i rounded = _mm256_srli_epi32(_mm256_add_epi32(bits, _mm256_add_epi32(bias, odd)), 16);
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(value, value, _CMP_UNORD_Q));
    const __m256i chosen = _mm256_blendv_epi8(rounded, _mm256_or_si256(upper, quiet), nan);
    const __m128i packed =
        _mm_packus_epi32(_mm256_castsi256_si128(chosen), _mm256_extracti128_si256(chosen, 1));
    _mm_storeu_si128((__m128i *)(result + i), packed);
  }
  segmoe_f32_to_bf16_scalar(source + i, result + i, count - i);
}
#elif defined(__aarch64__)
// Every processor has these conversions. bfloat16's conversions the compiler makes vectors of.
static void f16_to_f32_wide(const uint16_t *source, float *result, size_t count) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) vst1q_f32(result + i, vcvt_f32_f16(vreinterpret_f16_u16(vld1_u16(source + i))));
  segmoe_f16_to_f32_scalar(source + i, result + i, count - i);
}

static void f32_to_f16_wide(const float *source, uint16_t *result, size_t count) {
  size_t i = 0;
  for (; i + 4 <= count; i += 4) vst1_u16(result + i, vreinterpret_u16_f16(vcvt_f16_f32(vld1q_f32(source + i))));
  segmoe_f32_to_f16_scalar(source + i, result + i, count - i);
}
#endif

void segmoe_f16_to_f32(const uint16_t *source, float *result, size_t count) {
#if defined(__x86_64__) || defined(__aarch64__)
  if (has_wide()) {
    f16_to_f32_wide(source, result, count);
    return;
  }
#endif
  segmoe_f16_to_f32_scalar(source, result, count);
}

void segmoe_bf16_to_f32(const uint16_t *source, float *result, size_t count) {
#if defined(__x86_64__)
  if (has_wide()) {
    bf16_to_f32_wide(source, result, count);
    return;
  }
#endif
  segmoe_bf16_to_f32_scalar(source, result, count);
}

void segmoe_f32_to_f16(const float *source, uint16_t *result, size_t count) {
#if defined(__x86_64__) || defined(__aarch64__)
  if (has_wide()) {
    f32_to_f16_wide(source, result, count);
    return;
  }
#endif
  segmoe_f32_to_f16_scalar(source, result, count);
}

void segmoe_f32_to_bf16(const float *source, uint16_t *result, size_t count) {
#if defined(__x86_64__)
  if (has_wide()) {
    f32_to_bf16_wide(source, result, count);
    return;
  }
#endif
  segmoe_f32_to_bf16_scalar(source, result, count);
}
