// How a body written in vectors gets its instruction sets. A .c file says
//
//   #define SEGMOE_BODY_FILE "attention_body.h"
//   #include "each_isa.h"
//
// and its body is included once per set, each time with
//   LANES        floats in a vector,
//   TILE_PANELS  panels of 16 columns that a product keeps in registers,
//   VARIANT(x)   the name of x in this set.
// In every set, a panel has 16 columns and every number is summed in the same order. All sets but the
// scalar one use fused multiply-adds and give the same bits; the scalar one differs by rounding.
// _wide (SEGMOE_ISA_WIDE) is the body of AVX-512 compiled for AVX2, for tests.
#include "isa.h"
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#pragma STDC FP_CONTRACT ON
#pragma clang diagnostic ignored "-Wpsabi"

#define LANES 4
#define TILE_PANELS 1
#define VARIANT(name) name##_scalar
#include SEGMOE_BODY_FILE
#undef LANES
#undef TILE_PANELS
#undef VARIANT

#if defined(__x86_64__)

#define LANES 8
#define TILE_PANELS 1
#define VARIANT(name) name##_avx2
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include SEGMOE_BODY_FILE
#pragma clang attribute pop
#undef LANES
#undef TILE_PANELS
#undef VARIANT

#define LANES 16
#define TILE_PANELS 4
#define VARIANT(name) name##_wide
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#include SEGMOE_BODY_FILE
#pragma clang attribute pop
#undef VARIANT

#define VARIANT(name) name##_avx512
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,fma"))), apply_to = function)
#include SEGMOE_BODY_FILE
#pragma clang attribute pop
#undef LANES
#undef TILE_PANELS
#undef VARIANT

// `CHOSEN(name)(…)` calls the variant in use.
#define CHOSEN(name)                                                                               \
  (segmoe_isa_in_use() == SEGMOE_ISA_AVX512 ? name##_avx512                                        \
   : segmoe_isa_in_use() == SEGMOE_ISA_AVX2 ? name##_avx2                                          \
   : segmoe_isa_in_use() == SEGMOE_ISA_WIDE ? name##_wide                                          \
                                            : name##_scalar)

#else
// Of four lanes the compiler makes NEON on Arm, which fuses as the others do: scalar and SEGMOE_ISA_NEON are one there.
#define CHOSEN(name) name##_scalar
#endif
