#ifndef SEGMOE_EPILOGUE_H
#define SEGMOE_EPILOGUE_H

#include "product.h"

/// Bias, activation, row weights, residual: from the sums of a group to the result.
void segmoe_apply_epilogue(const segmoe_packing *packing, size_t group, const float *sums, size_t rows,
                         const segmoe_epilogue *epilogue, float *result, size_t stride);

#endif
