// What happens to the sums of a product before they are stored, and what both precisions' packings
// have in common.
#include "exponential.h"
#include "product_walk.h"

size_t segmoe_group_outputs(const segmoe_packing *packing) {
  return packing->gated ? SEGMOE_GROUP / 2 : SEGMOE_GROUP;
}

size_t segmoe_groups(const segmoe_packing *packing) {
  const size_t width = segmoe_group_outputs(packing);
  return (packing->outputs + width - 1) / width;
}

SEGMOE_BODY float gelu(float x) {
  return 0.5f * x * (1.0f + segmoe_erf(x * 0.70710678118654752f));
}

SEGMOE_BODY void bend_row(float *x, size_t count, segmoe_bend bend) {
  switch (bend) {
  case SEGMOE_BEND_NONE:
    break;
  case SEGMOE_BEND_SILU:
    for (size_t i = 0; i < count; i++) x[i] = x[i] / (1.0f + segmoe_exp(-x[i]));
    break;
  case SEGMOE_BEND_GELU:
    for (size_t i = 0; i < count; i++) x[i] = gelu(x[i]);
    break;
  case SEGMOE_BEND_QUICK_GELU:
    for (size_t i = 0; i < count; i++) x[i] = x[i] / (1.0f + segmoe_exp(-1.702f * x[i]));
    break;
  case SEGMOE_BEND_RELU:
    // Not x > 0 ? x : 0, which would hide what is not a number.
    for (size_t i = 0; i < count; i++) x[i] = x[i] < 0.0f ? 0.0f : x[i];
    break;
  }
}

/// A row of a group that fills its columns and is not bent, without a stop on the way.
SEGMOE_BODY void finish_whole_row(const float *sums, const float *bias, const float *weight, const float *base,
                                  float *out) {
  if (weight != NULL && base != NULL)
    for (size_t c = 0; c < SEGMOE_GROUP; c++) out[c] = base[c] + (sums[c] + bias[c]) * *weight;
  else if (weight != NULL)
    for (size_t c = 0; c < SEGMOE_GROUP; c++) out[c] = (sums[c] + bias[c]) * *weight;
  else if (base != NULL)
    for (size_t c = 0; c < SEGMOE_GROUP; c++) out[c] = base[c] + (sums[c] + bias[c]);
  else
    for (size_t c = 0; c < SEGMOE_GROUP; c++) out[c] = sums[c] + bias[c];
}

SEGMOE_BODY void segmoe_finish_group_body(const segmoe_packing *packing, size_t group,
                                          const float *sums, size_t rows,
                                          const segmoe_finish *finish, float *result,
                                          size_t stride) {
  const size_t width = packing->gated ? SEGMOE_GROUP / 2 : SEGMOE_GROUP, first = group * width;
  const size_t count = packing->outputs - first < width ? packing->outputs - first : width;
  const int whole = count == SEGMOE_GROUP && finish->bend == SEGMOE_BEND_NONE;
  float bias[SEGMOE_GROUP] = {0}, value[SEGMOE_GROUP];
  if (finish->bias != NULL) {
    memcpy(bias, finish->bias + first, count * sizeof(float));
    if (packing->gated)
      memcpy(bias + width, finish->bias + packing->outputs + first, count * sizeof(float));
  }
  for (size_t r = 0; r < rows; r++, sums += SEGMOE_GROUP) {
    const float *weight = finish->row_weights == NULL ? NULL : finish->row_weights + r;
    const float *base = finish->base == NULL ? NULL : finish->base + r * stride + first;
    float *out = result + r * stride + first;
    if (whole) {
      finish_whole_row(sums, bias, weight, base, out);
      continue;
    }
    for (size_t c = 0; c < SEGMOE_GROUP; c++) value[c] = sums[c] + bias[c];
    if (packing->gated) {
      for (size_t c = 0; c < SEGMOE_GROUP / 2; c++) value[c] *= gelu(value[c + SEGMOE_GROUP / 2]);
    } else {
      bend_row(value, SEGMOE_GROUP, finish->bend);
    }
    if (weight != NULL)
      for (size_t c = 0; c < SEGMOE_GROUP; c++) value[c] *= *weight;
    if (base != NULL)
      for (size_t c = 0; c < count; c++) out[c] = base[c] + value[c];
    else if (count == SEGMOE_GROUP / 2)
      memcpy(out, value, SEGMOE_GROUP / 2 * sizeof(float));
    else
      memcpy(out, value, count * sizeof(float));
  }
}
SEGMOE_KERNEL(segmoe_finish_group,
              (const segmoe_packing *packing, size_t group, const float *sums, size_t rows,
               const segmoe_finish *finish, float *result, size_t stride),
              (packing, group, sums, rows, finish, result, stride))

void segmoe_convolution_pieces(const segmoe_picture *picture, size_t first, size_t count,
                               const void **pieces) {
  const char *pixels = picture->pixels;
  for (size_t position = first; position < first + count; position++) {
    const ptrdiff_t top = (ptrdiff_t)(position / picture->out_width) * picture->stride - picture->before;
    const ptrdiff_t left = (ptrdiff_t)(position % picture->out_width) * picture->stride - picture->before;
    for (ptrdiff_t y = top; y < top + picture->kernel; y++)
      for (ptrdiff_t x = left; x < left + picture->kernel; x++) {
        const int inside = y >= 0 && y < picture->height && x >= 0 && x < picture->width;
        *pieces++ = inside ? pixels + (size_t)(y * picture->width + x) * picture->bytes : picture->outside;
      }
  }
}
