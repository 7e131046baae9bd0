#ifndef SEGMOE_ATTENTION_CHECK_H
#define SEGMOE_ATTENTION_CHECK_H

#include "isa.h"

/// Whether a small attention on a level of this processor gives what the scalar reference gives: in int8 the very bits.
int segmoe_attention_is_right(segmoe_product_isa isa);

#endif
