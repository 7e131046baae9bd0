#ifndef SEGMOE_NORMALIZATION_H
#define SEGMOE_NORMALIZATION_H

#include <stddef.h>

/// Adds the sum and the sum of squares of each channel, over `rows` rows of `channels` floats, to `sums` and `squares`.
/// The sums are in double precision, so that the variance, a difference of the two, stays exact enough.
void segmoe_channel_moments(const float *x, size_t rows, size_t channels, double *sums,
                            double *squares);

/// result = x · scale[channel] + shift[channel], then SiLU if `silu` is not 0.
void segmoe_scale_shift(const float *x, float *result, size_t rows, size_t channels,
                        const float *scale, const float *shift, int silu);

/// Layer normalization of each row: (x − mean) / √(variance + epsilon) · weight + bias.
void segmoe_layer_norm(const float *x, float *result, size_t rows, size_t channels,
                       const float *weight, const float *bias, float epsilon);

#endif
