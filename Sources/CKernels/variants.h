// How a kernel gets its instruction sets. Its body is plain C. Compiled plainly, it is the scalar
// reference. It is compiled again for each set, and the compiler turns its loops into vectors.
// Multiply-adds are never fused (-ffp-contract=off), and reductions keep a fixed number of lanes. So
// every variant gives the same bits.
#ifndef SEGMOE_VARIANTS_H
#define SEGMOE_VARIANTS_H

#include "isa.h"
#include <stddef.h>
#include <stdint.h>

#define SEGMOE_BODY static inline __attribute__((always_inline))

#if defined(__x86_64__)
#define SEGMOE_KERNEL(name, parameters, arguments)                                                 \
  static __attribute__((noinline)) void name##_scalar parameters { name##_body arguments; }        \
  static __attribute__((noinline, target("avx2,fma"))) void name##_avx2 parameters {               \
    name##_body arguments;                                                                         \
  }                                                                                                \
  static __attribute__((noinline,                                                                  \
                        target("avx512f,avx512bw,avx512vl,avx512dq"))) void                        \
      name##_avx512 parameters {                                                                   \
    name##_body arguments;                                                                         \
  }                                                                                                \
  void name parameters {                                                                           \
    switch (segmoe_isa_in_use()) {                                                                 \
    case SEGMOE_ISA_AVX512:                                                                        \
      name##_avx512 arguments;                                                                     \
      break;                                                                                       \
    case SEGMOE_ISA_AVX2:                                                                          \
      name##_avx2 arguments;                                                                       \
      break;                                                                                       \
    default:                                                                                       \
      name##_scalar arguments;                                                                     \
    }                                                                                              \
  }
#else
#define SEGMOE_KERNEL(name, parameters, arguments)                                                 \
  void name parameters { name##_body arguments; }
#endif

#endif
