// The instruction sets: what the processor has, what SEGMOE_ISA asks for, and what a test forces. The level for
// products is chosen in product_isa.h, which also checks its results.
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
  /// Arm's vectors, of which the compiler makes the bodies of four lanes.
  SEGMOE_ISA_NEON = 4,
} segmoe_isa;

/// The instruction set in use: the best that this processor has, or what the environment variable
/// SEGMOE_ISA (scalar, avx2, avx512, avx512vnni, avx512bf16, amx, neon, neondot, neonbf16) asks for if the
/// processor has it. Read once per process;
/// programs refuse a name that is none of these before (ProductInstructions.unknown).
segmoe_isa segmoe_isa_in_use(void);

/// Whether this processor can run kernels of that instruction set.
int segmoe_isa_available(segmoe_isa isa);

/// Makes the calling thread use one instruction set from now on (for tests). Returns 0 if the
/// processor lacks it, and then nothing changes.
int segmoe_isa_force(segmoe_isa isa);

/// What products of reduced precision run on: those sets and their extensions. x86-64's come first; no processor has sets of
/// both.
typedef enum segmoe_product_isa {
  SEGMOE_PRODUCT_SCALAR = 0,
  SEGMOE_PRODUCT_AVX2 = 1,
  SEGMOE_PRODUCT_AVX512 = 2,
  /// AVX-512 with VNNI: four products of bytes in one instruction.
  SEGMOE_PRODUCT_AVX512_VNNI = 3,
  /// The same with BF16: two products of bfloat16 in one instruction.
  SEGMOE_PRODUCT_AVX512_BF16 = 4,
  /// The same with AMX: tiles of 16 rows by 16 columns, of bytes and of bfloat16.
  SEGMOE_PRODUCT_AMX = 5,
  SEGMOE_PRODUCT_NEON = 6,
  /// NEON with SDOT: four products of bytes in a lane.
  SEGMOE_PRODUCT_NEON_DOT = 7,
  /// The same with BFDOT: two products of bfloat16 in a lane. It is the last level.
  SEGMOE_PRODUCT_NEON_BF16 = 8,
} segmoe_product_isa;

/// Whether the processor multiplies in bfloat16, whether or not that is the faster way to do it, and SEGMOE_ISA
/// asks for nothing less: then renders run in bf16 unless somebody asks for another precision.
int segmoe_bf16_is_native(void);

/// Whether this processor can run products of that level.
int segmoe_product_isa_available(segmoe_product_isa isa);

/// Makes the calling thread's products use one level from now on (for tests). Returns 0 if the processor lacks it,
/// and then nothing changes.
int segmoe_product_isa_force(segmoe_product_isa isa);

/// Back to choosing.
void segmoe_product_isa_release(void);

/// The level that the calling thread was made to use, or -1.
int segmoe_product_isa_forced(void);

/// `scalar`, `avx2`, `avx512`, `avx512vnni`, `avx512bf16`, `amx`, `neon`, `neondot` or `neonbf16`.
const char *segmoe_product_isa_name(segmoe_product_isa isa);

/// The level of that name, or -1 if it is none.
int segmoe_product_isa_named(const char *name);

/// The level that SEGMOE_ISA names, whether or not the processor has it; -1 if it names none.
int segmoe_product_isa_asked(void);

#endif
