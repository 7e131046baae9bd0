// How attention goes through queries and keys, whatever its numbers are.
#ifndef SEGMOE_ATTENTION_WALK_H
#define SEGMOE_ATTENTION_WALK_H

#include "attention.h"

/// What the attention of one kind of numbers in one instruction set is made of. Rows of queries and of
/// weights, and panels of 16 keys or channels, are read in steps of four bytes a row and 64 a panel.
typedef struct segmoe_attention_parts {
  /// Values of a step: 1, or 2 if they are bfloat16.
  size_t unit;
  /// A query times `scale`, as `product` reads rows.
  void (*prepare)(const float *query, size_t width, float scale, float *row);
  /// c = a · b, or c += a · b: 1 to 6 rows, `lda` floats apart, by panels `panel` floats apart over so many steps;
  /// rows of `c` are `ldc` floats apart.
  void (*product)(size_t rows, size_t panels, const float *a, size_t lda, const float *b, size_t panel,
                  size_t steps, float *c, size_t ldc, int accumulate);
  /// `count` scores (a multiple of 16) in base-2 logarithms become weights relative to the highest seen so far, as
  /// `product` reads rows; `sums` are 16 running sums of weights.
  /// Returns by how much what was summed before must be scaled down.
  float (*weigh)(float *row, size_t count, float *top, float *sums);
} segmoe_attention_parts;

/// Those of single precision on the instruction set in use.
segmoe_attention_parts segmoe_attention_parts_f32(void);

/// `segmoe_attend` of any parts.
void segmoe_attention_walk(const segmoe_attention_parts *parts, const segmoe_attention *shape, const float *query,
                           size_t first, size_t rows, const void *keys, const void *values, float *result,
                           float *scratch);

#endif
