#include "activation.h"
#include "activation_body.h"

SEGMOE_BODY void segmoe_silu_body(const float *x, float *result, size_t count) {
  for (size_t i = 0; i < count; i++) result[i] = silu(x[i]);
}
SEGMOE_KERNEL(segmoe_silu, (const float *x, float *result, size_t count), (x, result, count))

SEGMOE_BODY void segmoe_quick_gelu_body(const float *x, float *result, size_t count) {
  for (size_t i = 0; i < count; i++) result[i] = quick_gelu(x[i]);
}
SEGMOE_KERNEL(segmoe_quick_gelu, (const float *x, float *result, size_t count), (x, result, count))

SEGMOE_BODY void segmoe_gelu_body(const float *x, float *result, size_t count) {
  for (size_t i = 0; i < count; i++) result[i] = gelu(x[i]);
}
SEGMOE_KERNEL(segmoe_gelu, (const float *x, float *result, size_t count), (x, result, count))

SEGMOE_BODY void segmoe_relu_body(const float *x, float *result, size_t count) {
  for (size_t i = 0; i < count; i++) result[i] = relu(x[i]);
}
SEGMOE_KERNEL(segmoe_relu, (const float *x, float *result, size_t count), (x, result, count))

SEGMOE_BODY void segmoe_add_scaled_body(const float *x, float scale, float *result, size_t count) {
  for (size_t i = 0; i < count; i++) result[i] += scale * x[i];
}
SEGMOE_KERNEL(segmoe_add_scaled, (const float *x, float scale, float *result, size_t count),
              (x, scale, result, count))

SEGMOE_BODY void segmoe_add_weighted_rows_body(const float *x, const float *weights, float *result,
                                               size_t rows, size_t width) {
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < width; i++) result[r * width + i] += weights[r] * x[r * width + i];
}
SEGMOE_KERNEL(segmoe_add_weighted_rows,
              (const float *x, const float *weights, float *result, size_t rows, size_t width),
              (x, weights, result, rows, width))

SEGMOE_BODY void segmoe_add_row_body(const float *row, float *result, size_t rows, size_t width) {
  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < width; i++) result[r * width + i] += row[i];
}
SEGMOE_KERNEL(segmoe_add_row, (const float *row, float *result, size_t rows, size_t width),
              (row, result, rows, width))
