#ifndef SEGMOE_PRODUCT_H
#define SEGMOE_PRODUCT_H

#include <stddef.h>
#include <stdint.h>

// Products of rows with a packed weight in single precision, bfloat16 or int8, sums in single precision.
//
// A row consists of `segments` of `depth` values each, which need not lie side by side: a linear layer's
// row is one segment or some, a convolution's is one pixel per tap. Weights are packed in panels of 16
// columns; rows are prepared (rounded or quantized; in single precision they are read as they are) once
// and then read by every panel.
//
// Single precision: Σ x·w runs over the row in order; sets that fuse multiply-adds give the same bits.
//
// bfloat16: x and w are rounded to nearest even; Σ x·w runs over the row in order, of each pair the
// second value first, in single precision. Products of two such numbers are exact, so every
// instruction set gives the same bits, but for VDPBF16PS, AMX and BFDOT (docs/precision.md).
//
// int8: w is rounded to −127…127 per column and segment, x to 0…255 per segment of a row, with 0 exact;
// sums over a segment are exact integers, and Σ over segments of scale · sum is in single precision. Every
// instruction set gives the same bits.

/// Columns of a panel; columns of a group of panels, which one call of a tile computes.
enum { SEGMOE_PANEL = 16, SEGMOE_GROUP = 64 };

/// What happens to a column's sum after the bias.
typedef enum segmoe_activation {
  SEGMOE_ACTIVATION_NONE,
  SEGMOE_ACTIVATION_SILU,
  SEGMOE_ACTIVATION_GELU,
  SEGMOE_ACTIVATION_QUICK_GELU,
  SEGMOE_ACTIVATION_RELU,
} segmoe_activation;

/// A packed weight's shape.
typedef struct segmoe_packing {
  /// Columns of the result.
  size_t outputs;
  /// Segments of a row, and values of a segment. At most 65536 values for int8.
  size_t segments, depth;
  /// Whether the weight has 2·outputs rows, values then gates, and the result is value · gelu(gate).
  int gated;
} segmoe_packing;

/// What is done to the sums before they are stored, in this order.
typedef struct segmoe_epilogue {
  /// Added per column (2·outputs of them if gated), or NULL.
  const float *bias;
  segmoe_activation activation;
  /// The factor of each row, or NULL.
  const float *row_weights;
  /// Added last, with rows like the result's, or NULL. It may be the result.
  const float *residual;
} segmoe_epilogue;

/// Groups of panels that the result's columns make.
size_t segmoe_groups(const segmoe_packing *packing);
/// Columns of the result that a group makes: 64, or 32 if gated.
size_t segmoe_group_outputs(const segmoe_packing *packing);

/// Bytes of a packed weight; of a segment of a prepared row.
size_t segmoe_f32_packed_bytes(const segmoe_packing *packing);
size_t segmoe_bf16_packed_bytes(const segmoe_packing *packing);
size_t segmoe_int8_packed_bytes(const segmoe_packing *packing);
size_t segmoe_f32_segment_bytes(size_t depth);
size_t segmoe_bf16_segment_bytes(size_t depth);
size_t segmoe_int8_segment_bytes(size_t depth);

/// Packs `weight` `[outputs (or 2·outputs), segments · depth]`: groups `first` to `last` (not included).
void segmoe_f32_pack(const segmoe_packing *packing, const float *weight, size_t first, size_t last,
                     void *packed);
void segmoe_bf16_pack(const segmoe_packing *packing, const float *weight, size_t first, size_t last,
                      void *packed);
void segmoe_int8_pack(const segmoe_packing *packing, const float *weight, size_t first, size_t last,
                      void *packed);

/// Prepares `count` segments that lie side by side. A segment with a value that is not finite makes every
/// sum it goes into one that is not finite.
void segmoe_bf16_prologue(const float *x, size_t count, size_t depth, void *prepared);
void segmoe_int8_prologue(const float *x, size_t count, size_t depth, void *prepared);

/// Bytes that a product of so many rows with so many groups works in.
size_t segmoe_product_scratch(const segmoe_packing *packing, int in_int8, size_t rows, size_t groups);

/// Rows of prepared segments (`[row][segment]` pointers) times the packed columns of the groups `first` to
/// `last`; `result`, `epilogue->row_weights` and `epilogue->residual` begin at the first of these rows, rows
/// of result and residual are `stride` floats apart. `scratch` is memory to work in, aligned to 64:
/// `segmoe_product_scratch` bytes in bfloat16 and int8, which may be none.
void segmoe_f32_product(const segmoe_packing *packing, const void *packed, const void *const *segments,
                        size_t rows, size_t first, size_t last, const segmoe_epilogue *epilogue,
                        float *result, size_t stride, void *scratch);
void segmoe_bf16_product(const segmoe_packing *packing, const void *packed, const void *const *segments,
                         size_t rows, size_t first, size_t last, const segmoe_epilogue *epilogue,
                         float *result, size_t stride, void *scratch);
void segmoe_int8_product(const segmoe_packing *packing, const void *packed, const void *const *segments,
                         size_t rows, size_t first, size_t last, const segmoe_epilogue *epilogue,
                         float *result, size_t stride, void *scratch);
/// In single precision, of a weight that is in bfloat16 and else packed as in single precision.
void segmoe_f32_product_of_bf16(const segmoe_packing *packing, const void *packed, const void *const *segments,
                         size_t rows, size_t first, size_t last, const segmoe_epilogue *epilogue,
                         float *result, size_t stride, void *scratch);

/// A convolution's segments: for the output positions `first` to `first + count` of a picture of
/// `height × width` prepared pixels, `bytes` each, `[position][tap]` pointers; `outside` is the segment
/// of a pixel outside. Positions count row by row, `out_width` to a row. Of the picture so many rows and columns are stored:
/// it is enlarged from them (nearest neighbour, as torch's: source index = ⌊index · old / new⌋).
typedef struct segmoe_picture {
  const void *pixels, *outside;
  size_t bytes;
  ptrdiff_t height, width, stored_height, stored_width;
  ptrdiff_t kernel, stride, before;
  size_t out_width;
} segmoe_picture;
void segmoe_convolution_segments(const segmoe_picture *picture, size_t first, size_t count,
                               const void **segments);

#endif
