#ifndef SEGMOE_ISA_H
#define SEGMOE_ISA_H

/// The instruction sets that kernels are written for, in the order in which they are preferred.
typedef enum segmoe_isa {
  SEGMOE_ISA_SCALAR = 0,
  SEGMOE_ISA_AVX2 = 1,
  SEGMOE_ISA_AVX512 = 2,
} segmoe_isa;

/// The instruction set in use: the best that this processor has, or what the environment variable
/// SEGMOE_ISA (scalar, avx2, avx512) asks for if the processor has it. Read once per process.
segmoe_isa segmoe_isa_in_use(void);

/// Whether this processor can run kernels of that instruction set.
int segmoe_isa_available(segmoe_isa isa);

/// Makes the calling process use one instruction set from now on (for tests). Returns 0 if the
/// processor lacks it, and then nothing changes.
int segmoe_isa_force(segmoe_isa isa);

#endif
