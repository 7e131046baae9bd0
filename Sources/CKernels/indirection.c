// A convolution as a product without im2col: where each segment of a row is, in place of a copy of it.
#include "product.h"

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
