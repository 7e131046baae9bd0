#ifndef SEGMOE_ACTIVATION_H
#define SEGMOE_ACTIVATION_H

#include <stddef.h>

/// x · sigmoid(x). `result` may be `x`.
void segmoe_silu(const float *x, float *result, size_t count);

/// x · sigmoid(1.702 x), OpenAI's approximation of GELU. `result` may be `x`.
void segmoe_quick_gelu(const float *x, float *result, size_t count);

/// x · Φ(x), the exact GELU by erf. `result` may be `x`.
void segmoe_gelu(const float *x, float *result, size_t count);

/// max(x, 0). `result` may be `x`.
void segmoe_relu(const float *x, float *result, size_t count);

/// result += scale · x.
void segmoe_add_scaled(const float *x, float scale, float *result, size_t count);

/// Row r of result += weights[r] · row r of x.
void segmoe_add_weighted_rows(const float *x, const float *weights, float *result, size_t rows,
                              size_t width);

/// Every row of `result` += `row`.
void segmoe_add_row(const float *row, float *result, size_t rows, size_t width);

#endif
