#ifndef SEGMOE_PRODUCT_SPEED_H
#define SEGMOE_PRODUCT_SPEED_H

#include "isa.h"

/// Whether a level is worth using. That of VDPBF16PS is not on every processor that has it. It takes some milliseconds.
int segmoe_product_is_fast(segmoe_product_isa isa);

#endif
