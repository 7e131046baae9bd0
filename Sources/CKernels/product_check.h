#ifndef SEGMOE_PRODUCT_CHECK_H
#define SEGMOE_PRODUCT_CHECK_H

#include "isa.h"

/// Whether small products on a level of this processor, in bfloat16 and int8, give what the scalar reference gives.
int segmoe_product_is_right(segmoe_product_isa isa);

#endif
