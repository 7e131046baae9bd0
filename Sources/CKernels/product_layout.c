// Where a product's columns and rows are: how many groups a packed weight has, the segments of a convolution's rows, and what
// a product works in.
#include "product.h"
#include "product_amx.h"
#include "product_levels.h"

size_t segmoe_group_outputs(const segmoe_packing *packing) {
  return packing->gated ? SEGMOE_GROUP / 2 : SEGMOE_GROUP;
}

size_t segmoe_groups(const segmoe_packing *packing) {
  const size_t width = segmoe_group_outputs(packing);
  return (packing->outputs + width - 1) / width;
}

// No row is copied (im2col): each segment is found where it is.
void segmoe_convolution_segments(const segmoe_picture *picture, size_t first, size_t count,
                               const void **segments) {
  const char *pixels = picture->pixels;
  for (size_t position = first; position < first + count; position++) {
    const ptrdiff_t top = (ptrdiff_t)(position / picture->out_width) * picture->stride - picture->before;
    const ptrdiff_t left = (ptrdiff_t)(position % picture->out_width) * picture->stride - picture->before;
    for (ptrdiff_t y = top; y < top + picture->kernel; y++)
      for (ptrdiff_t x = left; x < left + picture->kernel; x++) {
        const int inside = y >= 0 && y < picture->height && x >= 0 && x < picture->width;
        *segments++ = inside ? pixels + (size_t)(y * picture->width + x) * picture->bytes : picture->outside;
      }
  }
}

size_t segmoe_product_scratch_at(segmoe_product_isa isa, const segmoe_packing *packing, int in_int8, size_t rows,
                                 size_t groups) {
  return isa == SEGMOE_PRODUCT_AMX ? segmoe_amx_product_scratch(packing, in_int8, rows, groups) : 0;
}
