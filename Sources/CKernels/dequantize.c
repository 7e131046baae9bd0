// GGUF's blocks of few-bit numbers to single precision.
#include "dequantize.h"
#include "convert.h"
#include <string.h>

// Numbers of a block of the plain kinds, and of a superblock of the K kinds.
enum { BLOCK = 32, SUPER = 256 };

// A half-precision number at any address.
static inline float half_at(const uint8_t *bytes) {
  uint16_t half;
  float value;
  memcpy(&half, bytes, sizeof half);
  segmoe_f16_to_f32_scalar(&half, &value, 1);
  return value;
}

static inline uint32_t word_at(const uint8_t *bytes) {
  uint32_t word;
  memcpy(&word, bytes, sizeof word);
  return word;
}

// A block is the scale and 16 bytes. Their low four bits are the first 16 numbers, their high four the others. 8 is
// subtracted.
void segmoe_unpack_q4_0(const void *source, float *result, size_t blocks) {
  const uint8_t *block = source;
  for (size_t b = 0; b < blocks; b++, block += 18, result += BLOCK) {
    const float d = half_at(block);
    for (int i = 0; i < 16; i++) {
      const uint8_t pair = block[2 + i];
      result[i] = d * (float)((pair & 15) - 8);
      result[i + 16] = d * (float)((pair >> 4) - 8);
    }
  }
}

// A block is the scale, the minimum and 16 bytes.
void segmoe_unpack_q4_1(const void *source, float *result, size_t blocks) {
  const uint8_t *block = source;
  for (size_t b = 0; b < blocks; b++, block += 20, result += BLOCK) {
    const float d = half_at(block), least = half_at(block + 2);
    for (int i = 0; i < 16; i++) {
      const uint8_t pair = block[4 + i];
      result[i] = d * (float)(pair & 15) + least;
      result[i + 16] = d * (float)(pair >> 4) + least;
    }
  }
}

// A block is the scale, the fifth bits of all 32 numbers, and 16 bytes. 16 is subtracted.
void segmoe_unpack_q5_0(const void *source, float *result, size_t blocks) {
  const uint8_t *block = source;
  for (size_t b = 0; b < blocks; b++, block += 22, result += BLOCK) {
    const float d = half_at(block);
    const uint32_t high = word_at(block + 2);
    for (int i = 0; i < 16; i++) {
      const uint8_t pair = block[6 + i];
      const int first = (pair & 15) | (int)(high >> i & 1) << 4;
      const int second = (pair >> 4) | (int)(high >> (i + 16) & 1) << 4;
      result[i] = d * (float)(first - 16);
      result[i + 16] = d * (float)(second - 16);
    }
  }
}

// A block is the scale, the minimum, the fifth bits, and 16 bytes.
void segmoe_unpack_q5_1(const void *source, float *result, size_t blocks) {
  const uint8_t *block = source;
  for (size_t b = 0; b < blocks; b++, block += 24, result += BLOCK) {
    const float d = half_at(block), least = half_at(block + 2);
    const uint32_t high = word_at(block + 4);
    for (int i = 0; i < 16; i++) {
      const uint8_t pair = block[8 + i];
      const int first = (pair & 15) | (int)(high >> i & 1) << 4;
      const int second = (pair >> 4) | (int)(high >> (i + 16) & 1) << 4;
      result[i] = d * (float)first + least;
      result[i + 16] = d * (float)second + least;
    }
  }
}

// A block is the scale and 32 signed bytes.
void segmoe_unpack_q8_0(const void *source, float *result, size_t blocks) {
  const uint8_t *block = source;
  for (size_t b = 0; b < blocks; b++, block += 34, result += BLOCK) {
    const float d = half_at(block);
    for (int i = 0; i < BLOCK; i++) result[i] = d * (float)(int8_t)block[2 + i];
  }
}

// A block is 16 bytes with the scales and minima (four bits each) of groups of 16, 64 bytes of two bits, the scale and
// the minimum.
void segmoe_unpack_q2_k(const void *source, float *result, size_t blocks) {
  const uint8_t *block = source;
  for (size_t b = 0; b < blocks; b++, block += 84, result += SUPER) {
    const float d = half_at(block + 80), least = half_at(block + 82);
    for (int i = 0; i < SUPER; i++) {
      const uint8_t scale = block[i / 16];
      const int value = block[16 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
      result[i] = d * (float)(scale & 15) * (float)value - least * (float)(scale >> 4);
    }
  }
}

// A block is 32 bytes of third bits, 64 bytes of the lower two, 12 bytes with 16 scales of six bits (32 is subtracted),
// and the scale.
void segmoe_unpack_q3_k(const void *source, float *result, size_t blocks) {
  const uint8_t *block = source;
  for (size_t b = 0; b < blocks; b++, block += 110, result += SUPER) {
    const float d = half_at(block + 108);
    const uint8_t *packed = block + 96;
    for (int i = 0; i < SUPER; i++) {
      const int group = i / 16;
      const int low = group < 8 ? packed[group] & 15 : packed[group - 8] >> 4;
      const int scale = (low | (packed[8 + group % 4] >> (group / 4 * 2) & 3) << 4) - 32;
      const int two = block[32 + i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
      // If the third bit is not set, 4 is subtracted.
      const int value = two - (block[i % 32] >> (i / 32) & 1 ? 0 : 4);
      result[i] = d * (float)scale * (float)value;
    }
  }
}

// The scale and the minimum of group j of eight, six bits each, from 12 bytes.
static inline void scale_and_least(const uint8_t *packed, int j, int *scale, int *least) {
  if (j < 4) {
    *scale = packed[j] & 63;
    *least = packed[j + 4] & 63;
  } else {
    *scale = (packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4;
    *least = (packed[j + 4] >> 4) | (packed[j] >> 6) << 4;
  }
}

// A block is the scale, the minimum, 12 bytes for the groups of 32, and 128 bytes of four bits.
void segmoe_unpack_q4_k(const void *source, float *result, size_t blocks) {
  const uint8_t *block = source;
  for (size_t b = 0; b < blocks; b++, block += 144, result += SUPER) {
    const float d = half_at(block), least = half_at(block + 2);
    for (int group = 0; group < 8; group++) {
      int scale, under;
      scale_and_least(block + 4, group, &scale, &under);
      const float by = d * (float)scale, minus = least * (float)under;
      const uint8_t *pairs = block + 16 + group / 2 * 32;
      for (int i = 0; i < 32; i++) {
        const int value = pairs[i] >> (group % 2 * 4) & 15;
        result[group * 32 + i] = by * (float)value - minus;
      }
    }
  }
}

// The same, with 32 bytes of fifth bits before the 128.
void segmoe_unpack_q5_k(const void *source, float *result, size_t blocks) {
  const uint8_t *block = source;
  for (size_t b = 0; b < blocks; b++, block += 176, result += SUPER) {
    const float d = half_at(block), least = half_at(block + 2);
    for (int group = 0; group < 8; group++) {
      int scale, under;
      scale_and_least(block + 4, group, &scale, &under);
      const float by = d * (float)scale, minus = least * (float)under;
      const uint8_t *pairs = block + 48 + group / 2 * 32;
      for (int i = 0; i < 32; i++) {
        const int value = (pairs[i] >> (group % 2 * 4) & 15) | (block[16 + i] >> group & 1) << 4;
        result[group * 32 + i] = by * (float)value - minus;
      }
    }
  }
}

// A block is 128 bytes of the lower four bits, 64 bytes of the upper two, 16 signed scales for groups of 16, and the
// scale. 32 is subtracted.
void segmoe_unpack_q6_k(const void *source, float *result, size_t blocks) {
  const uint8_t *block = source;
  for (size_t b = 0; b < blocks; b++, block += 210, result += SUPER) {
    const float d = half_at(block + 208);
    for (int i = 0; i < SUPER; i++) {
      const int half = i / 128, place = i % 128;
      const int low = block[half * 64 + place % 64] >> (place / 64 * 4) & 15;
      const int high = block[128 + half * 32 + place % 32] >> (place / 32 * 2) & 3;
      const float by = d * (float)(int8_t)block[192 + i / 16];
      result[i] = by * (float)((low | high << 4) - 32);
    }
  }
}
