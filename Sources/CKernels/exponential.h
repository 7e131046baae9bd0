// e^x and erf(x) as short polynomials that a compiler can vectorize. Both are within 3e-7 of the
// true value (relative for e^x, absolute for erf): KernelTests measures it against libm.
#ifndef SEGMOE_EXPONENTIAL_H
#define SEGMOE_EXPONENTIAL_H

#include "variants.h"
#include <string.h>

/// e^x: x = n·ln2 + r, a degree-6 polynomial for e^r (Cephes, expf), 2^n by the exponent bits.
/// Below -87.3 the result is clamped to the smallest normal number, above 88.3 to about 2^127.
SEGMOE_BODY float segmoe_exp(float x) {
  x = x < -87.3f ? -87.3f : x;
  x = x > 88.3f ? 88.3f : x;
  // Adding 1.5·2^23 rounds to an integer, which is then in the low bits of the sum.
  float shifted = x * 1.44269504088896341f + 12582912.0f;
  float n = shifted - 12582912.0f;
  float r = x - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  // Unsigned, because a NaN may have any bits, and all of them may be shifted out.
  uint32_t bits;
  memcpy(&bits, &shifted, sizeof bits);
  bits = (bits - 0x4B400000u + 127u) << 23;
  float scale;
  memcpy(&scale, &bits, sizeof scale);
  return p * scale;
}

/// erf(x) as a rational function of degree 13 over 8, x clamped to ±4 (minimax fit as in Eigen).
SEGMOE_BODY float segmoe_erf(float x) {
  x = x < -4.0f ? -4.0f : x;
  x = x > 4.0f ? 4.0f : x;
  float s = x * x;
  float p = -2.72614225801306e-10f;
  p = p * s + 2.77068142495902e-08f;
  p = p * s + -2.10102402082508e-06f;
  p = p * s + -5.69250639462346e-05f;
  p = p * s + -7.34990630326855e-04f;
  p = p * s + -2.95459980854025e-03f;
  p = p * s + -1.60960333262415e-02f;
  float q = -1.45660718464996e-05f;
  q = q * s + -2.13374055278905e-04f;
  q = q * s + -1.68282697438203e-03f;
  q = q * s + -7.37332916720468e-03f;
  q = q * s + -1.42647390514189e-02f;
  return x * p / q;
}

#endif
