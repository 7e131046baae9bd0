// How keys and values of attention are stored in int8. A step is four numbers of a byte for VNNI and SDOT, elsewhere two of 16
// bits; both take four bytes.
#ifndef SEGMOE_INT8_HEADS_H
#define SEGMOE_INT8_HEADS_H

#include "attention_shape.h"
#include "int8.h"

// What lies before the steps is rounded up to 16 numbers each, so that steps, and so a tile's rows, begin at a cache line.

/// Packed keys of one head: of each channel its mean, and the factors of queries and of keys, whose product is 1; a
/// scale per block; −128 · the sum of each key (queries have a zero point of 128, but on tiles); steps (attention_layout).
typedef struct packed_keys {
  float *mean, *query_factor, *key_factor, *scales;
  int32_t *offsets, *steps;
} packed_keys;

/// Packed values of one head: the mean and the scale of each channel, and steps as there.
typedef struct packed_values {
  float *mean, *scale;
  int32_t *steps;
} packed_values;

/// Numbers of a step.
static inline size_t unit_of(segmoe_product_isa isa) { return reads_bytes(isa) ? 4 : 2; }

static inline size_t steps_of(segmoe_product_isa isa, size_t count) {
  return (count + unit_of(isa) - 1) / unit_of(isa);
}

static inline packed_keys packed_keys_at(const void *packed, size_t keys, size_t width) {
  const size_t blocks = (keys + attention_block - 1) / attention_block;
  float *mean = (float *)packed, *query_factor = mean + attention_whole(width);
  float *key_factor = query_factor + attention_whole(width), *scales = key_factor + attention_whole(width);
  int32_t *offsets = (int32_t *)(scales + attention_whole(blocks));
  return (packed_keys){mean, query_factor, key_factor, scales, offsets, offsets + attention_whole(keys)};
}

static inline packed_values packed_values_at(const void *packed, size_t width) {
  float *mean = (float *)packed, *scale = mean + attention_whole(width);
  return (packed_values){mean, scale, (int32_t *)(scale + attention_whole(width))};
}

/// Rounds a query to steps that are `apart` from each other, as 1…255 with a zero point of 128.
/// - Returns: its scale; not a number if the query has a number that is not finite.
float segmoe_round_query_int8(const float *row, const packed_keys *keys, size_t width, size_t unit, size_t apart,
                              int32_t *steps);

#endif
