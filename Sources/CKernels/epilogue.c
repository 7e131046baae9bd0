// The epilogue of a product: what happens to its sums before they are stored.
#include "epilogue.h"
#include "activation_body.h"

SEGMOE_BODY void activate_row(float *x, size_t count, segmoe_activation activation) {
  switch (activation) {
  case SEGMOE_ACTIVATION_NONE:
    break;
  case SEGMOE_ACTIVATION_SILU:
    for (size_t i = 0; i < count; i++) x[i] = silu(x[i]);
    break;
  case SEGMOE_ACTIVATION_GELU:
    for (size_t i = 0; i < count; i++) x[i] = gelu(x[i]);
    break;
  case SEGMOE_ACTIVATION_QUICK_GELU:
    for (size_t i = 0; i < count; i++) x[i] = quick_gelu(x[i]);
    break;
  case SEGMOE_ACTIVATION_RELU:
    for (size_t i = 0; i < count; i++) x[i] = relu(x[i]);
    break;
  }
}

/// A row of a group that fills its columns and has no activation, in one go.
SEGMOE_BODY void epilogue_of_whole_row(const float *sums, const float *bias, const float *weight, const float *residual,
                                  float *out) {
  if (weight != NULL && residual != NULL)
    for (size_t c = 0; c < SEGMOE_GROUP; c++) out[c] = residual[c] + (sums[c] + bias[c]) * *weight;
  else if (weight != NULL)
    for (size_t c = 0; c < SEGMOE_GROUP; c++) out[c] = (sums[c] + bias[c]) * *weight;
  else if (residual != NULL)
    for (size_t c = 0; c < SEGMOE_GROUP; c++) out[c] = residual[c] + (sums[c] + bias[c]);
  else
    for (size_t c = 0; c < SEGMOE_GROUP; c++) out[c] = sums[c] + bias[c];
}

SEGMOE_BODY void segmoe_apply_epilogue_body(const segmoe_packing *packing, size_t group,
                                          const float *sums, size_t rows,
                                          const segmoe_epilogue *epilogue, float *result,
                                          size_t stride) {
  const size_t width = packing->gated ? SEGMOE_GROUP / 2 : SEGMOE_GROUP, first = group * width;
  const size_t count = packing->outputs - first < width ? packing->outputs - first : width;
  const int whole = count == SEGMOE_GROUP && epilogue->activation == SEGMOE_ACTIVATION_NONE;
  float bias[SEGMOE_GROUP] = {0}, value[SEGMOE_GROUP];
  if (epilogue->bias != NULL) {
    memcpy(bias, epilogue->bias + first, count * sizeof(float));
    if (packing->gated)
      memcpy(bias + width, epilogue->bias + packing->outputs + first, count * sizeof(float));
  }
  for (size_t r = 0; r < rows; r++, sums += SEGMOE_GROUP) {
    const float *weight = epilogue->row_weights == NULL ? NULL : epilogue->row_weights + r;
    const float *residual = epilogue->residual == NULL ? NULL : epilogue->residual + r * stride + first;
    float *out = result + r * stride + first;
    if (whole) {
      epilogue_of_whole_row(sums, bias, weight, residual, out);
      continue;
    }
    for (size_t c = 0; c < SEGMOE_GROUP; c++) value[c] = sums[c] + bias[c];
    if (packing->gated) {
      for (size_t c = 0; c < SEGMOE_GROUP / 2; c++) value[c] *= gelu(value[c + SEGMOE_GROUP / 2]);
    } else {
      activate_row(value, SEGMOE_GROUP, epilogue->activation);
    }
    if (weight != NULL)
      for (size_t c = 0; c < SEGMOE_GROUP; c++) value[c] *= *weight;
    if (residual != NULL)
      for (size_t c = 0; c < count; c++) out[c] = residual[c] + value[c];
    else if (count == SEGMOE_GROUP / 2)
      memcpy(out, value, SEGMOE_GROUP / 2 * sizeof(float));
    else
      memcpy(out, value, count * sizeof(float));
  }
}
SEGMOE_KERNEL(segmoe_apply_epilogue,
              (const segmoe_packing *packing, size_t group, const float *sums, size_t rows,
               const segmoe_epilogue *epilogue, float *result, size_t stride),
              (packing, group, sums, rows, epilogue, result, stride))
