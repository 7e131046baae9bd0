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

// Scale, 16 bytes: low halves are the first 16 numbers, high halves the others, from -8.
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

// Scale, least, 16 bytes.
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

// Scale, the fifth bits of all 32, 16 bytes; from -16.
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

// Scale, least, the fifth bits, 16 bytes.
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

// Scale, 32 signed bytes.
void segmoe_unpack_q8_0(const void *source, float *result, size_t blocks) {
  const uint8_t *block = source;
  for (size_t b = 0; b < blocks; b++, block += 34, result += BLOCK) {
    const float d = half_at(block);
    for (int i = 0; i < BLOCK; i++) result[i] = d * (float)(int8_t)block[2 + i];
  }
}

// 16 bytes of scales and leasts (four bits each) for groups of 16, 64 bytes of two bits, scale, least.
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

// 32 bytes of third bits, 64 of the lower two, 12 bytes of 16 scales of six bits (from -32), scale.
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
      // The third bit counts the other way: without it four are taken away.
      const int value = two - (block[i % 32] >> (i / 32) & 1 ? 0 : 4);
      result[i] = d * (float)scale * (float)value;
    }
  }
}

// Scale and least of group j of eight, six bits each, from 12 bytes.
static inline void scale_and_least(const uint8_t *packed, int j, int *scale, int *least) {
  if (j < 4) {
    *scale = packed[j] & 63;
    *least = packed[j + 4] & 63;
  } else {
    *scale = (packed[j + 4] & 15) | (packed[j - 4] >> 6) << 4;
    *least = (packed[j + 4] >> 4) | (packed[j] >> 6) << 4;
  }
}

// Scale, least, 12 bytes for the groups of 32, 128 bytes of four bits.
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

// The same with 32 bytes of fifth bits before the 128.
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

// 128 bytes of the lower four bits, 64 of the upper two, 16 signed scales for groups of 16, scale; from -32.
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
