// Whether every set makes the same weights of attention in int8 of every distance, and how far they are from powers of two. A
// part of check.c.
#ifndef SEGMOE_POWERS_H
#define SEGMOE_POWERS_H

#include "attention_powers.h"
#include <math.h>
#include <stdio.h>

// Distances of a vector, at most.
enum { most_distances = 32 };

static void by_reference(uint16_t *t) {
  integers_reference pairs;
  for (size_t i = 0; i < most_distances * sizeof *t; i += sizeof pairs) {
    memcpy(&pairs, (char *)t + i, sizeof pairs);
    pairs = powers_reference(pairs);
    memcpy((char *)t + i, &pairs, sizeof pairs);
  }
}

#if defined(__aarch64__)
BEGIN_SET(SEGMOE_SET_NEON_DOT)
static void by_dot(uint16_t *t) {
  for (size_t i = 0; i < most_distances; i += 8) {
    const uint16x8_t found = (uint16x8_t)powers_dot((integers_dot)vld1q_u16(t + i));
    vst1q_u16(t + i, found);
  }
}
END_SET
#else
BEGIN_SET(SEGMOE_SET_AVX2)
static void by_avx2(uint16_t *t) {
  for (size_t i = 0; i < most_distances; i += 16) {
    const __m256i found = (__m256i)powers_avx2((integers_avx2)_mm256_loadu_si256((const __m256i *)(t + i)));
    _mm256_storeu_si256((__m256i *)(t + i), found);
  }
}
END_SET

BEGIN_SET(SEGMOE_SET_AVX512)
static void by_avx512(uint16_t *t) {
  const __m512i found = (__m512i)powers_avx512((integers_avx512)_mm512_loadu_si512((const void *)t));
  _mm512_storeu_si512((void *)t, found);
}
END_SET
#endif

/// Distances, each in every lane, whose weights differ from the reference's.
static int power_faults(const char *name, void (*weigh)(uint16_t *)) {
  int faults = 0;
  for (int distance = nearest_distance; distance <= farthest_distance; distance++) {
    uint16_t expected[most_distances], found[most_distances];
    for (int i = 0; i < most_distances; i++)
      expected[i] = found[i] = (uint16_t)(nearest_distance + (distance - nearest_distance + i) % (farthest_distance - nearest_distance + 1));
    by_reference(expected), weigh(found);
    faults += memcmp(expected, found, sizeof found) != 0;
  }
  printf("%-24s %d distances, %d of them differ\n", name, farthest_distance - nearest_distance + 1, faults);
  return faults;
}

/// Distances whose weight is off from 255 times a power of two by more than rounding and the table's 1.1e-4 allow.
static int reference_faults(void) {
  int faults = 0;
  for (int distance = nearest_distance; distance <= farthest_distance; distance++) {
    uint16_t weight[most_distances] = {(uint16_t)distance};
    by_reference(weight);
    const double exact = 255 * exp2((double)(nearest_distance - distance) / distance_steps);
    faults += !(fabs(weight[0] - exact) <= 0.5 + 1.1e-4 * exact);
  }
  if (faults > 0) printf("powers: %d weights are wrong\n", faults);
  return faults;
}

#endif
