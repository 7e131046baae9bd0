// Attention in int8, on each set of instructions. attention.h says what is computed, int8_heads.h how it is stored.
// Multiply-adds are fused by name, so that every set, the reference too, gives the same bits.
#include "attention_levels.h"
#include "attention_powers.h"
#include "int8_heads.h"
#include "targets.h"
#include "tiles_amx.h"
#include <math.h>

#pragma clang diagnostic ignored "-Wpsabi"

// 2^f on [-0.5, 0.5]: the polynomial of degree 3 with constant term 1 that has the least relative error.
#define SHORT_POWER_1 0x1.62f5fap-1f
#define SHORT_POWER_2 0x1.f00c4ep-3f
#define SHORT_POWER_3 0x1.c2a218p-5f
#define FMA(x, y, z) __builtin_elementwise_fma(x, y, z)
#define DOT(sum, x, y) VARIANT(dot)(sum, x, y)

// The reference.
#define ON_TILES 0
#define LANES 4
#define UNIT 2
#define VARIANT(name) name##_reference
static inline integers_reference dot_reference(integers_reference sum, integers_reference x, int32_t y) {
  return sum + (x << 16 >> 16) * (int16_t)y + (x >> 16) * (y >> 16);
}
#include "attention_int8_body.h"
#undef LANES
#undef VARIANT

#if defined(__aarch64__)
#undef UNIT
#define UNIT 4
#define VARIANT(name) name##_dot
#define LANES 4
BEGIN_SET(SEGMOE_SET_NEON_DOT)
// SDOT takes both for signed bytes: what is missing is 128 times the sum of y.
static inline __attribute__((always_inline)) integers_dot dot_dot(integers_dot sum, integers_dot x, int32_t y) {
  const int8x16_t same = vreinterpretq_s8_s32(vdupq_n_s32(y));
  const int32x4_t half = vdotq_s32(vdupq_n_s32(0), vdupq_n_s8(64), same);
  const int8x16_t signed_x = veorq_s8((int8x16_t)x, vdupq_n_s8(-128));
  return (integers_dot)vdotq_s32((int32x4_t)sum, signed_x, same) + half + half;
}
#include "attention_int8_body.h"
END_SET
#undef LANES
#undef VARIANT
#endif

#if defined(__x86_64__)
#define LANES 8
#define VARIANT(name) name##_avx2
BEGIN_SET(SEGMOE_SET_AVX2)
static inline __attribute__((always_inline)) integers_avx2 dot_avx2(integers_avx2 sum, integers_avx2 x, int32_t y) {
  return sum + (integers_avx2)_mm256_madd_epi16((__m256i)x, _mm256_set1_epi32(y));
}
#include "attention_int8_body.h"
END_SET
#undef LANES
#undef VARIANT

#define LANES 16
#define VARIANT(name) name##_avx512
BEGIN_SET(SEGMOE_SET_AVX512)
static inline __attribute__((always_inline)) integers_avx512 dot_avx512(integers_avx512 sum, integers_avx512 x,
                                                                        int32_t y) {
  return sum + (integers_avx512)_mm512_madd_epi16((__m512i)x, _mm512_set1_epi32(y));
}
#include "attention_int8_body.h"
END_SET
#undef VARIANT
#undef UNIT

#define UNIT 4
#define VARIANT(name) name##_vnni
BEGIN_SET(SEGMOE_SET_VNNI)
static inline __attribute__((always_inline)) integers_vnni dot_vnni(integers_vnni sum, integers_vnni x, int32_t y) {
  return (integers_vnni)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)x, _mm512_set1_epi32(y));
}
#include "attention_int8_body.h"
END_SET
#undef VARIANT

#undef ON_TILES
#define ON_TILES 1
#define VARIANT(name) name##_tiles
BEGIN_SET(SEGMOE_SET_AMX)
#define dot_tiles dot_vnni
#include "attention_int8_body.h"
END_SET
#endif

void segmoe_attend_int8_at(segmoe_product_isa isa, const segmoe_attention *shape, const float *query, size_t rows,
                           const void *keys, const void *values, float *result, float *scratch) {
  switch (isa) {
#if defined(__x86_64__)
  case SEGMOE_PRODUCT_AMX:
    attend_tiles(shape, query, rows, keys, values, result, scratch);
    break;
  case SEGMOE_PRODUCT_AVX512_BF16:
  case SEGMOE_PRODUCT_AVX512_VNNI:
    attend_vnni(shape, query, rows, keys, values, result, scratch);
    break;
  case SEGMOE_PRODUCT_AVX512:
    attend_avx512(shape, query, rows, keys, values, result, scratch);
    break;
  case SEGMOE_PRODUCT_AVX2:
    attend_avx2(shape, query, rows, keys, values, result, scratch);
    break;
#elif defined(__aarch64__)
  case SEGMOE_PRODUCT_NEON_BF16:
  case SEGMOE_PRODUCT_NEON_DOT:
    attend_dot(shape, query, rows, keys, values, result, scratch);
    break;
#endif
  default:
    attend_reference(shape, query, rows, keys, values, result, scratch);
  }
}
