// The sets of instructions that products and attention are written for by hand, and how a function gets one.
#ifndef SEGMOE_TARGETS_H
#define SEGMOE_TARGETS_H

#include <stdint.h>
#include <string.h>

#define SEGMOE_UNROLL _Pragma("clang loop unroll(full)")

#if defined(__x86_64__)
#if defined(SEGMOE_SIMDE)
// scripts/check-avx512: the same source on a processor without these instructions.
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
// Nor this one: to bfloat16, to nearest even, the numbers of `low` first. A subnormal number becomes 0.
static inline __m512i segmoe_cvtne2ps_pbh(__m512 high, __m512 low) {
  float from[32];
  uint16_t to[32];
  memcpy(from, &low, sizeof low);
  memcpy(from + 16, &high, sizeof high);
  for (int i = 0; i < 32; i++) {
    uint32_t bits;
    memcpy(&bits, from + i, sizeof bits);
    const int subnormal = (bits & 0x7f800000) == 0;
    to[i] = (uint16_t)((subnormal ? bits & 0x80000000 : bits + 0x7fff + (bits >> 16 & 1)) >> 16);
  }
  return _mm512_loadu_si512(to);
}
#define _mm512_cvtne2ps_pbh segmoe_cvtne2ps_pbh
// Its alias takes the operands of the masked form.
#undef _mm512_madd_epi16
#define _mm512_madd_epi16(a, b) simde_mm512_madd_epi16(a, b)
// AMX's tiles, in plain C (Tests/Instructions/tiles.c).
#include "tiles.h"
#define SEGMOE_TARGET(set)
#else
#include <immintrin.h>
#define SEGMOE_TARGET(set) __attribute__((target(set)))
#endif
#define SEGMOE_SET_AVX2 "avx2,fma"
#define SEGMOE_SET_AVX512 "avx512f,avx512bw,avx512vl,avx512dq,avx2,fma"
#define SEGMOE_SET_VNNI "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx2,fma"
#define SEGMOE_SET_BF16 "avx512f,avx512bw,avx512vl,avx512dq,avx512vnni,avx512bf16,avx2,fma"
#define SEGMOE_SET_AMX "amx-tile,amx-int8,amx-bf16," SEGMOE_SET_BF16

#elif defined(__aarch64__)
#include <arm_neon.h>
#define SEGMOE_TARGET(set) __attribute__((target(set)))
#define SEGMOE_SET_NEON "neon"
#define SEGMOE_SET_NEON_DOT "dotprod"
#define SEGMOE_SET_NEON_BF16 "bf16"
#endif

#define SEGMOE_TILE(set) SEGMOE_TARGET(set) static inline __attribute__((always_inline))

// Between `BEGIN_SET` and its end, functions are compiled for a set.
#if defined(SEGMOE_SIMDE)
#define BEGIN_SET(set)
#define END_SET
#else
#define PRAGMA(...) _Pragma(#__VA_ARGS__)
#define BEGIN_SET(set) PRAGMA(clang attribute push(__attribute__((target(set))), apply_to = function))
#define END_SET PRAGMA(clang attribute pop)
#endif

#endif
