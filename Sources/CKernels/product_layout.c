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

/// The stored row or column that stands at `index` of so many.
static inline size_t stored_at(ptrdiff_t index, ptrdiff_t stored, ptrdiff_t size) {
  return (size_t)(stored == size ? index : index * stored / size);
}

// No row is copied (im2col): each segment is found where it is.
void segmoe_convolution_segments(const segmoe_picture *picture, size_t first, size_t count,
                               const void **segments) {
  const char *pixels = picture->pixels;
  const ptrdiff_t kernel = picture->kernel, height = picture->height, width = picture->width;
  const int as_stored = picture->stored_height == height && picture->stored_width == width;
  for (size_t position = first; position < first + count; position++) {
    const ptrdiff_t top = (ptrdiff_t)(position / picture->out_width) * picture->stride - picture->before;
    const ptrdiff_t left = (ptrdiff_t)(position % picture->out_width) * picture->stride - picture->before;
    if (as_stored && top >= 0 && left >= 0 && top + kernel <= height && left + kernel <= width) {
      // Nearly all of them.
      const char *row = pixels + (size_t)(top * width + left) * picture->bytes;
      for (ptrdiff_t y = 0; y < kernel; y++, row += (size_t)width * picture->bytes)
        for (ptrdiff_t x = 0; x < kernel; x++) *segments++ = row + (size_t)x * picture->bytes;
      continue;
    }
    for (ptrdiff_t y = top; y < top + kernel; y++) {
      const size_t row = stored_at(y, picture->stored_height, height) * (size_t)picture->stored_width;
      for (ptrdiff_t x = left; x < left + kernel; x++) {
        const int inside = y >= 0 && y < height && x >= 0 && x < width;
        const size_t pixel = row + stored_at(x, picture->stored_width, width);
        *segments++ = inside ? pixels + pixel * picture->bytes : picture->outside;
      }
    }
  }
}

size_t segmoe_product_scratch_at(segmoe_product_isa isa, const segmoe_packing *packing, int in_int8, size_t rows,
                                 size_t groups) {
  return isa == SEGMOE_PRODUCT_AMX ? segmoe_amx_product_scratch(packing, in_int8, rows, groups) : 0;
}
