#ifndef SEGMOE_ISA_H
#define SEGMOE_ISA_H

/// The instruction sets that kernels are written for, in the order in which they are preferred.
typedef enum segmoe_isa {
  SEGMOE_ISA_SCALAR = 0,
  SEGMOE_ISA_AVX2 = 1,
  SEGMOE_ISA_AVX512 = 2,
  /// For tests alone, never preferred: the bodies that each_isa.h gives to AVX-512, compiled for
  /// AVX2, so that a processor without AVX-512 can check them. Other kernels: the scalar one.
  SEGMOE_ISA_WIDE = 3,
} segmoe_isa;

/// The instruction set in use: the best that this processor has, or what the environment variable
/// SEGMOE_ISA (scalar, avx2, avx512; product_isa.h has more) asks for if the processor has it. Read once per process;
/// programs refuse a name that is none of these before (ProductInstructions.unknown).
segmoe_isa segmoe_isa_in_use(void);

/// Whether this processor can run kernels of that instruction set.
int segmoe_isa_available(segmoe_isa isa);

/// Makes the calling thread use one instruction set from now on (for tests). Returns 0 if the
/// processor lacks it, and then nothing changes.
int segmoe_isa_force(segmoe_isa isa);

#endif
