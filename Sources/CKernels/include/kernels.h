#ifndef SEGMOE_KERNELS_H
#define SEGMOE_KERNELS_H
#include <stddef.h>
#include <stdint.h>
void segmoe_bf16_to_f32_scalar(const uint16_t *source, float *result, size_t count);
#endif
