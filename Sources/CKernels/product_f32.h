#ifndef SEGMOE_PRODUCT_F32_H
#define SEGMOE_PRODUCT_F32_H

#include "isa.h"
#include "macrokernel.h"

/// The microkernel of single precision in one instruction set.
segmoe_microkernel segmoe_f32_microkernel(segmoe_isa isa);

#endif
