#ifndef SEGMOE_ATTENTION_H
#define SEGMOE_ATTENTION_H

#include <stddef.h>

/// The shape of an attention, common to all heads.
typedef struct segmoe_attention {
  /// Floats from one query row to the next, and from one row of the result to the next.
  size_t stride, result_stride;
  /// Number of keys (and values); floats of one head in a row.
  size_t keys, width;
  /// The factor of q·k.
  float scale;
  /// Whether query i sees only keys 0…i.
  int causal;
} segmoe_attention;

/// Keys side by side in a panel of packed keys, and channels in a panel of packed values.
enum { SEGMOE_ATTENTION_PANEL = 8 };

/// Floats of one head's packed keys, and of its packed values.
size_t segmoe_packed_keys_size(size_t keys, size_t width);
size_t segmoe_packed_values_size(size_t keys, size_t width);

/// Packs one head's keys, `stride` floats apart, as panels of 8 keys: `[panel][width][8]`. Missing keys are 0.
/// Only panels `first` to `last` (not included), of ⌈keys / 8⌉.
void segmoe_pack_keys(const float *keys, size_t stride, size_t count, size_t width, void *packed,
                      size_t first, size_t last);

/// Packs one head's values as panels of 8 channels: `[panel][keys][8]`. Missing channels are 0. Only keys of the
/// panels `first` to `last`.
void segmoe_pack_values(const float *values, size_t stride, size_t count, size_t width,
                        void *packed, size_t first, size_t last);

/// The same in pairs of bfloat16, four bytes a pair. Sizes are in units of four bytes. Keys are
/// `[panel][pair of width][8]`, values `[panel][pair of keys][8]`; on AMX both lie in tiles (attention_shape.h).
size_t segmoe_packed_keys_bf16_size(size_t keys, size_t width);
size_t segmoe_packed_values_bf16_size(size_t keys, size_t width);
void segmoe_pack_keys_bf16(const float *keys, size_t stride, size_t count, size_t width, void *packed,
                           size_t first, size_t last);
void segmoe_pack_values_bf16(const float *values, size_t stride, size_t count, size_t width, void *packed,
                             size_t first, size_t last);

/// Floats of scratch memory that `segmoe_attend` needs for so many rows.
size_t segmoe_attention_scratch(size_t rows, size_t width);

/// softmax(scale · q·kᵀ) · v for the query rows `first` to `first + rows` of one head. The softmax
/// is updated block by block: at most 48 rows by one block of scores exist at a time.
/// - Parameters:
///   - query, result: at row `first`.
///   - keys, values: packed.
void segmoe_attend(const segmoe_attention *shape, const float *query, size_t first, size_t rows,
                   const void *keys, const void *values, float *result, float *scratch);

/// The same with queries, keys, weights and values rounded to bfloat16. Scores, softmax and sums are in single
/// precision. It runs on AMX's tiles or on VDPBF16PS where product_isa.h says that this is in use, else on the scalar
/// reference.
void segmoe_attend_bf16(const segmoe_attention *shape, const float *query, size_t first, size_t rows,
                        const void *keys, const void *values, float *result, float *scratch);

// Attention whose two products are of int8, after SageAttention (Zhang et al., 2025): softmax(scale · q·kᵀ) · v.
//
// Keys are smoothed: their mean over all keys is subtracted, which adds the same number to all scores of a row and so
// changes no weight. Half of a channel's size goes from the keys to the queries (SmoothQuant, Xiao et al., 2023). Keys are
// rounded to −127…127 with a scale per block of 128, queries with a scale per row. A head has at most 65536 channels.
// Weights are rounded to 0…255 of the highest weight of their row and block. Values less their mean are rounded to
// −127…127 with a scale per channel, and the mean is added at the end. Sums within a block are exact integers; sums
// over blocks are in single precision, in order. Every instruction set gives the same bits. A number that is not finite
// makes all that hangs on it not finite.

/// Units of four bytes of one head's packed keys, and of its packed values.
size_t segmoe_packed_keys_int8_size(size_t keys, size_t width);
size_t segmoe_packed_values_int8_size(size_t keys, size_t width);

/// Measures one head's keys, or its values, for the scales: once, before any of them are packed.
void segmoe_measure_keys_int8(const float *keys, size_t stride, size_t count, size_t width, void *packed);
void segmoe_measure_values_int8(const float *values, size_t stride, size_t count, size_t width, void *packed);

/// As `segmoe_pack_keys` and `segmoe_pack_values`, after the measurement. `first` is the first panel of a block.
void segmoe_pack_keys_int8(const float *keys, size_t stride, size_t count, size_t width, void *packed,
                           size_t first, size_t last);
void segmoe_pack_values_int8(const float *values, size_t stride, size_t count, size_t width, void *packed,
                             size_t first, size_t last);

/// As `segmoe_attend`, without a causal mask: every query sees every key.
void segmoe_attend_int8(const segmoe_attention *shape, const float *query, size_t first, size_t rows,
                        const void *keys, const void *values, float *result, float *scratch);

#endif
