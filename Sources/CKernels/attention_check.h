#ifndef SEGMOE_ATTENTION_CHECK_H
#define SEGMOE_ATTENTION_CHECK_H

#include "isa.h"

/// Whether a small attention in int8 on a level of this processor gives the very bits that the scalar reference gives.
int segmoe_attention_is_right(segmoe_product_isa isa);

#endif
