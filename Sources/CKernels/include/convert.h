#ifndef SEGMOE_CONVERT_H
#define SEGMOE_CONVERT_H
#include <stddef.h>
#include <stdint.h>
#include <string.h>

// Half precision to single and back. The plain names choose an instruction set at run time; the
// _scalar ones are the references that tests hold them against. Bits agree between the two for every
// input. Rounding is to nearest, ties to even; NaN stays NaN (quiet, its payload cut), overflow becomes
// infinity. No alignment is needed.

void segmoe_f16_to_f32(const uint16_t *source, float *result, size_t count);
void segmoe_f16_to_f32_scalar(const uint16_t *source, float *result, size_t count);
void segmoe_bf16_to_f32(const uint16_t *source, float *result, size_t count);
void segmoe_bf16_to_f32_scalar(const uint16_t *source, float *result, size_t count);
void segmoe_f32_to_f16(const float *source, uint16_t *result, size_t count);
void segmoe_f32_to_f16_scalar(const float *source, uint16_t *result, size_t count);
void segmoe_f32_to_bf16(const float *source, uint16_t *result, size_t count);
void segmoe_f32_to_bf16_scalar(const float *source, uint16_t *result, size_t count);

/// The same of one number.
static inline uint16_t segmoe_bf16_of(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  // Rounding could carry a NaN into infinity: keep its upper half and make it quiet.
  if ((bits & 0x7fffffff) > 0x7f800000) return (uint16_t)(bits >> 16 | 0x40);
  return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

#endif
