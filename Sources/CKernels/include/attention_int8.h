#ifndef SEGMOE_ATTENTION_INT8_H
#define SEGMOE_ATTENTION_INT8_H

#include "attention.h"

// Attention whose two products are of int8, after SageAttention (Zhang et al., 2025): softmax(scale · q·kᵀ) · v.
//
// Keys are smoothed: their mean over all keys is subtracted, which adds the same number to all scores of a row and so
// changes no weight. They are rounded to −127…127 with a scale per block of 128 keys, queries with a scale per row.
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
