#ifndef SEGMOE_PRODUCT_ISA_H
#define SEGMOE_PRODUCT_ISA_H

#include "isa.h"

/// The best that this processor has, but no better than SEGMOE_ISA (scalar, avx2, avx512, avx512vnni,
/// avx512bf16, amx, neon, neondot, neonbf16) and segmoe_isa_force allow. Before a level is first used, small products and a small attention
/// in it are held against the scalar reference; a level that fails is passed over for the one below, and so is that of
/// VDPBF16PS on processors of Intel, where it is slow, unless SEGMOE_ISA asks for it. Nothing is timed: one machine always gives
/// the same level.
segmoe_product_isa segmoe_product_isa_in_use(void);

/// The highest level that the processor has and that failed its check, or -1.
int segmoe_product_isa_failed(void);

#endif
