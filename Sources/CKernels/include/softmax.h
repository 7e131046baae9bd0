#ifndef SEGMOE_SOFTMAX_H
#define SEGMOE_SOFTMAX_H

#include <stddef.h>

/// In place, each of `rows` rows (`stride` floats apart, `columns` long) becomes its softmax.
/// Subtracts the row's maximum first, so no row overflows.
void segmoe_softmax(float *x, size_t rows, size_t columns, size_t stride);

#endif
