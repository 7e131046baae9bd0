#ifndef SEGMOE_NORMALIZATION_H
#define SEGMOE_NORMALIZATION_H

#include <stddef.h>

/// Adds to `sums` and `squares` (per channel) what `rows` rows of `channels` floats hold.
/// Accumulated in double, so that variance as a difference of the two loses nothing visible.
void segmoe_channel_moments(const float *x, size_t rows, size_t channels, double *sums,
                            double *squares);

/// result = x · scale[channel] + shift[channel], then SiLU if `silu` is not 0.
void segmoe_scale_shift(const float *x, float *result, size_t rows, size_t channels,
                        const float *scale, const float *shift, int silu);

/// Layer normalization of each row: (x − mean) / √(variance + epsilon) · weight + bias.
void segmoe_layer_norm(const float *x, float *result, size_t rows, size_t channels,
                       const float *weight, const float *bias, float epsilon);

#endif
