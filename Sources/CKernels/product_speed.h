#ifndef SEGMOE_PRODUCT_SPEED_H
#define SEGMOE_PRODUCT_SPEED_H

/// Seconds of one product in bfloat16 that fits the second-level cache, the least of a few, on what
/// `segmoe_product_isa_in_use` says; infinite if there is no memory for it. Takes about a millisecond.
double segmoe_bf16_product_seconds(void);

#endif
