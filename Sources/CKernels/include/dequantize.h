#ifndef SEGMOE_DEQUANTIZE_H
#define SEGMOE_DEQUANTIZE_H
#include <stddef.h>
#include <stdint.h>

// Blocks of few-bit numbers, as GGUF files pack weights, to single precision: `blocks` of them from `source`, of any
// alignment, to 32 floats each (256 for the K kinds). Layouts and the order of the sums are ggml's (`ggml-quants.c`),
// so that the bits are those of its own dequantization.

void segmoe_unpack_q4_0(const void *source, float *result, size_t blocks);
void segmoe_unpack_q4_1(const void *source, float *result, size_t blocks);
void segmoe_unpack_q5_0(const void *source, float *result, size_t blocks);
void segmoe_unpack_q5_1(const void *source, float *result, size_t blocks);
void segmoe_unpack_q8_0(const void *source, float *result, size_t blocks);
void segmoe_unpack_q2_k(const void *source, float *result, size_t blocks);
void segmoe_unpack_q3_k(const void *source, float *result, size_t blocks);
void segmoe_unpack_q4_k(const void *source, float *result, size_t blocks);
void segmoe_unpack_q5_k(const void *source, float *result, size_t blocks);
void segmoe_unpack_q6_k(const void *source, float *result, size_t blocks);

#endif
