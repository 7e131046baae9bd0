#include "softmax.h"
#include "exponential.h"

// Sixteen lanes whatever the instruction set, so that every variant adds in the same order.
enum { lanes = 16 };

SEGMOE_BODY void segmoe_softmax_body(float *x, size_t rows, size_t columns, size_t stride) {
  for (size_t r = 0; r < rows; r++) {
    float *row = x + r * stride;
    float top[lanes];
    for (int l = 0; l < lanes; l++) top[l] = row[0];
    size_t c = 0;
    for (; c + lanes <= columns; c += lanes)
      for (int l = 0; l < lanes; l++) top[l] = row[c + l] > top[l] ? row[c + l] : top[l];
    for (; c < columns; c++) top[0] = row[c] > top[0] ? row[c] : top[0];
    for (int l = 1; l < lanes; l++) top[0] = top[l] > top[0] ? top[l] : top[0];
    float sum[lanes] = {0};
    float highest = top[0];
    for (c = 0; c + lanes <= columns; c += lanes)
      for (int l = 0; l < lanes; l++) {
        float e = segmoe_exp(row[c + l] - highest);
        row[c + l] = e;
        sum[l] += e;
      }
    for (; c < columns; c++) {
      float e = segmoe_exp(row[c] - highest);
      row[c] = e;
      sum[0] += e;
    }
    for (int l = 1; l < lanes; l++) sum[0] += sum[l];
    float inverse = 1.0f / sum[0];
    for (c = 0; c < columns; c++) row[c] *= inverse;
  }
}
SEGMOE_KERNEL(segmoe_softmax, (float *x, size_t rows, size_t columns, size_t stride),
              (x, rows, columns, stride))
