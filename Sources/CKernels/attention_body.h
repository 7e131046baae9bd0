// Scores, weights and weighted values of a few rows; a body of each_isa.h.
#include "tile.h"

/// The larger of two numbers, lane by lane; the first if it is not one.
INLINE VARIANT(vector) VARIANT(larger)(VARIANT(vector) a, VARIANT(vector) b) {
  for (int i = 0; i < LANES; i++) a[i] = b[i] > a[i] ? b[i] : a[i];
  return a;
}

/// 2^x for x ≤ 0, within 2e-7 relative; exactly 0 below -126.5. NaN stays NaN.
INLINE VARIANT(vector) VARIANT(power)(VARIANT(vector) x) {
  typedef VARIANT(vector) vector;
  typedef VARIANT(integers) integers;
  x = VARIANT(larger)(x, (vector){0} - 127.0f);
  // Adding 1.5·2^23 rounds to an integer, which is then in the low bits of the sum.
  vector shifted = x + 12582912.0f;
  vector f = x - (shifted - 12582912.0f);
  vector p = f * POWER_5 + POWER_4;
  p = p * f + POWER_3;
  p = p * f + POWER_2;
  p = p * f + POWER_1;
  p = p * f + 1.0f;
  integers scale = ((integers)shifted - (0x4B400000 - 127)) << 23;
  return p * (vector)scale;
}

/// `segmoe_attention_parts.weigh`.
static float VARIANT(weigh)(float *row, size_t count, float *top, float *sums) {
  typedef VARIANT(vector) vector;
  // Four maxima side by side: one alone would wait for its own latency.
  vector high[4][PARTS];
  for (size_t i = 0; i < 4; i++)
    for (int l = 0; l < PARTS; l++) high[i][l] = *(const vector *)(row + l * LANES);
  size_t column = 0;
  for (; column + 4 * PANEL <= count; column += 4 * PANEL)
    for (size_t i = 0; i < 4; i++)
      for (int l = 0; l < PARTS; l++)
        high[i][l] = VARIANT(larger)(high[i][l], *(const vector *)(row + column + i * PANEL + l * LANES));
  for (; column < count; column += PANEL)
    for (int l = 0; l < PARTS; l++)
      high[0][l] = VARIANT(larger)(high[0][l], *(const vector *)(row + column + l * LANES));
  for (int l = 0; l < PARTS; l++)
    high[0][l] = VARIANT(larger)(VARIANT(larger)(high[0][l], high[1][l]), VARIANT(larger)(high[2][l], high[3][l]));
  float lanes[PANEL];
  memcpy(lanes, high[0], sizeof lanes);
  for (int half = PANEL / 2; half > 0; half /= 2)
    for (int i = 0; i < half; i++) lanes[i] = lanes[i + half] > lanes[i] ? lanes[i + half] : lanes[i];
  const float highest = lanes[0] > *top ? lanes[0] : *top;
  float correction = *top == highest ? 1.0f : VARIANT(power)((vector){0} + (*top - highest))[0];
  *top = highest;
  vector sum[PARTS];
  for (int l = 0; l < PARTS; l++) sum[l] = *(const vector *)(sums + l * LANES) * correction;
  for (size_t c = 0; c < count; c += PANEL)
    for (int l = 0; l < PARTS; l++) {
      vector weight = VARIANT(power)(*(const vector *)(row + c + l * LANES) - highest);
      *(vector *)(row + c + l * LANES) = weight;
      sum[l] += weight;
    }
  for (int l = 0; l < PARTS; l++) *(vector *)(sums + l * LANES) = sum[l];
  return correction;
}

/// `segmoe_attention_parts.product`.
static void VARIANT(attention_product)(size_t rows, size_t panels, const float *a, size_t lda, const float *b,
                                       size_t panel, size_t steps, float *c, size_t ldc, int accumulate) {
  VARIANT(strip)(rows, panels, a, lda, b, panel, steps, c, ldc, accumulate);
}
