#ifndef SEGMOE_PRODUCT_SPEED_H
#define SEGMOE_PRODUCT_SPEED_H

#include "isa.h"

/// Whether a level pays: the one of VDPBF16PS does not on every processor that has it. Takes some milliseconds.
int segmoe_product_is_fast(segmoe_product_isa isa);

#endif
