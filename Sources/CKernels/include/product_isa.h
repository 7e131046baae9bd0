#ifndef SEGMOE_PRODUCT_ISA_H
#define SEGMOE_PRODUCT_ISA_H

/// What products of reduced precision run on: the sets of isa.h and two extensions of the last one.
typedef enum segmoe_product_isa {
  SEGMOE_PRODUCT_SCALAR = 0,
  SEGMOE_PRODUCT_AVX2 = 1,
  SEGMOE_PRODUCT_AVX512 = 2,
  /// AVX-512 with VNNI: four products of bytes in one instruction.
  SEGMOE_PRODUCT_AVX512_VNNI = 3,
  /// The same with BF16: two products of bfloat16 in one instruction.
  SEGMOE_PRODUCT_AVX512_BF16 = 4,
} segmoe_product_isa;

/// The best that this processor has, but no better than SEGMOE_ISA (scalar, avx2, avx512, avx512vnni,
/// avx512bf16) and segmoe_isa_force allow. Before a level is first used, small products in it are held
/// against the scalar reference; a level that fails is passed over for the one below, and so is the one of
/// VDPBF16PS where a product by it is the slower one, unless SEGMOE_ISA asks for it.
segmoe_product_isa segmoe_product_isa_in_use(void);

/// Whether the processor multiplies in bfloat16, whether or not that is the faster way to do it, and SEGMOE_ISA
/// asks for nothing less: then renders run in bf16 unless somebody asks for another precision.
int segmoe_bf16_is_native(void);

/// Whether this processor can run products of that level.
int segmoe_product_isa_available(segmoe_product_isa isa);

/// Makes the calling thread use one level from now on (for tests), for whatever isa.h says. Returns
/// 0 if the processor lacks it, and then nothing changes.
int segmoe_product_isa_force(segmoe_product_isa isa);

/// Back to choosing.
void segmoe_product_isa_release(void);

/// The highest level that the processor has and that failed its check, or -1.
int segmoe_product_isa_failed(void);

/// `scalar`, `avx2`, `avx512`, `avx512vnni` or `avx512bf16`.
const char *segmoe_product_isa_name(segmoe_product_isa isa);

/// The level of that name, or -1 if it is none.
int segmoe_product_isa_named(const char *name);

/// The level that SEGMOE_ISA names, whether or not the processor has it; -1 if it names none.
int segmoe_product_isa_asked(void);

#endif
