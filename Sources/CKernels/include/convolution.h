#ifndef SEGMOE_CONVOLUTION_H
#define SEGMOE_CONVOLUTION_H

#include <stddef.h>

/// A convolution of 3×3 taps, stride 1, one row and column of zeros all around; channels last.
typedef struct segmoe_convolution {
  /// Size of the result, and of the picture convolved.
  size_t height, width;
  /// Size of the picture that is there: enlarged to height × width (nearest neighbour) as it is read.
  size_t source_height, source_width;
  size_t inputs, outputs;
  /// Whether the weight is in bfloat16: widened as it is transformed.
  int bf16_weight;
} segmoe_convolution;

/// What is added to a result before it is written.
typedef struct segmoe_winograd_epilogue {
  /// `[outputs]` of image 0; that of image 1 is `bias_stride` floats on. May be NULL.
  const float *bias;
  size_t bias_stride;
  /// A tensor of the result's shape. May be NULL.
  const float *residual;
} segmoe_winograd_epilogue;

/// Weights of `rows` outputs, `[in][taps]` each, as `[taps][in]`.
void segmoe_taps_first(const float *weight, size_t rows, size_t inputs, size_t taps, float *result);

/// A torch weight `[outputs][inputs][taps]` as panels of 16 outputs, `[panel][tap][input][16]`.
/// Panels `first` to `last` (not included) of ⌈outputs / 16⌉; outputs that are not there are 0.
void segmoe_pack_convolution(const float *weight, size_t outputs, size_t inputs, size_t taps,
                             float *packed, size_t first, size_t last);

/// Tiles of 4×4 outputs of one image.
size_t segmoe_winograd_tiles(const segmoe_convolution *shape);

/// Floats that the transformed inputs of so many tiles take.
size_t segmoe_winograd_input_size(const segmoe_convolution *shape, size_t tiles);

/// Floats of scratch memory for `segmoe_winograd_multiply`.
size_t segmoe_winograd_scratch(size_t panels, size_t count);

/// Transforms the input of tile `first + tile`; tiles are counted through all images, and
/// `transformed` holds `tiles` of them, `first` being the first.
void segmoe_winograd_input(const segmoe_convolution *shape, const float *x, size_t first,
                           size_t tile, size_t tiles, float *transformed);

/// Multiplies and transforms back: `panels` panels of outputs from `panel` on, for `count` tiles from
/// `start` on of the `tiles` in `transformed`. Weights (floats, or bfloat16 if the shape says so) are transformed on
/// the way, a block at a time.
void segmoe_winograd_multiply(const segmoe_convolution *shape, const segmoe_winograd_epilogue *epilogue,
                              const void *weight, size_t panel, size_t panels,
                              const float *transformed, size_t first, size_t tiles, size_t start,
                              size_t count, float *result, float *scratch);

#endif
