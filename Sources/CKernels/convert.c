#include "kernels.h"
#include <string.h>
void segmoe_bf16_to_f32_scalar(const uint16_t *source, float *result, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint32_t bits = (uint32_t)source[i] << 16;
    memcpy(result + i, &bits, sizeof bits);
  }
}
