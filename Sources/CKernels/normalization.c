#include "normalization.h"
#include "exponential.h"
#include <math.h>

SEGMOE_BODY void segmoe_channel_moments_body(const float *x, size_t rows, size_t channels,
                                             double *restrict sums, double *restrict squares) {
  for (size_t r = 0; r < rows; r++) {
    const float *row = x + r * channels;
    for (size_t c = 0; c < channels; c++) {
      double v = row[c];
      sums[c] += v;
      squares[c] += v * v;
    }
  }
}
SEGMOE_KERNEL(segmoe_channel_moments,
              (const float *x, size_t rows, size_t channels, double *sums, double *squares),
              (x, rows, channels, sums, squares))

SEGMOE_BODY void segmoe_scale_shift_body(const float *x, float *result, size_t rows,
                                         size_t channels, const float *scale, const float *shift,
                                         int silu) {
  for (size_t r = 0; r < rows; r++) {
    const float *row = x + r * channels;
    float *out = result + r * channels;
    if (silu) {
      for (size_t c = 0; c < channels; c++) {
        float v = row[c] * scale[c] + shift[c];
        out[c] = v / (1.0f + segmoe_exp(-v));
      }
    } else {
      for (size_t c = 0; c < channels; c++) out[c] = row[c] * scale[c] + shift[c];
    }
  }
}
SEGMOE_KERNEL(segmoe_scale_shift,
              (const float *x, float *result, size_t rows, size_t channels, const float *scale,
               const float *shift, int silu),
              (x, result, rows, channels, scale, shift, silu))

// Eight lanes whatever the instruction set, so that every variant adds in the same order.
enum { lanes = 8 };

SEGMOE_BODY void segmoe_layer_norm_body(const float *x, float *result, size_t rows, size_t channels,
                                        const float *weight, const float *bias, float epsilon) {
  for (size_t r = 0; r < rows; r++) {
    const float *row = x + r * channels;
    float *out = result + r * channels;
    double sum[lanes] = {0}, square[lanes] = {0};
    size_t c = 0;
    for (; c + lanes <= channels; c += lanes)
      for (int l = 0; l < lanes; l++) {
        double v = row[c + l];
        sum[l] += v;
        square[l] += v * v;
      }
    for (; c < channels; c++) {
      double v = row[c];
      sum[0] += v;
      square[0] += v * v;
    }
    for (int l = 1; l < lanes; l++) {
      sum[0] += sum[l];
      square[0] += square[l];
    }
    double mean = sum[0] / (double)channels;
    double variance = square[0] / (double)channels - mean * mean;
    if (variance < 0) variance = 0;
    float center = (float)mean, inverse = (float)(1.0 / sqrt(variance + epsilon));
    for (c = 0; c < channels; c++) out[c] = (row[c] - center) * inverse * weight[c] + bias[c];
  }
}
SEGMOE_KERNEL(segmoe_layer_norm,
              (const float *x, float *result, size_t rows, size_t channels, const float *weight,
               const float *bias, float epsilon),
              (x, result, rows, channels, weight, bias, epsilon))
