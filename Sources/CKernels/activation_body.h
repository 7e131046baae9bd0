// The activations, one number each.
#ifndef SEGMOE_ACTIVATION_BODY_H
#define SEGMOE_ACTIVATION_BODY_H

#include "exponential.h"

SEGMOE_BODY float silu(float x) { return x / (1.0f + segmoe_exp(-x)); }

SEGMOE_BODY float quick_gelu(float x) { return x / (1.0f + segmoe_exp(-1.702f * x)); }

SEGMOE_BODY float gelu(float x) { return 0.5f * x * (1.0f + segmoe_erf(x * 0.70710678118654752f)); }

/// Written like this because x > 0 ? x : 0 would turn NaN into 0.
SEGMOE_BODY float relu(float x) { return x < 0.0f ? 0.0f : x; }

#endif
