#ifndef SEGMOE_PRODUCT_SPEED_H
#define SEGMOE_PRODUCT_SPEED_H

#include "isa.h"

/// Whether a level is worth using. Those of VDPBF16PS, AMX and BFDOT may not be on every processor that has them. It takes some milliseconds.
int segmoe_product_is_fast(segmoe_product_isa isa);

#endif
