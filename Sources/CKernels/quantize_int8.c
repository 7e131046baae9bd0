// Quantizes weights and rows to int8.
#include "int8.h"
#include "panels.h"
#include "product_levels.h"
#include "variants.h"
#include <math.h>
#include <string.h>

size_t segmoe_int8_packed_bytes(const segmoe_packing *packing) {
  return segmoe_panels(packing) * packing->segments * panel_segment_bytes(packing->depth);
}

size_t segmoe_int8_segment_bytes_at(segmoe_product_isa isa, size_t depth) {
  return sizeof(segment_head) + quads_of(depth) * 4 * (reads_bytes(isa) ? 1 : 2);
}

SEGMOE_BODY void round_weights_body(const float *w, size_t count, float inverse, int8_t *rounded) {
  for (size_t i = 0; i < count; i++) {
    // Adding 1.5·2^23 rounds to the nearest integer, ties to even.
    const float shifted = w[i] * inverse + 12582912.0f;
    rounded[i] = (int8_t)(int32_t)(shifted - 12582912.0f);
  }
}
SEGMOE_KERNEL(round_weights, (const float *w, size_t count, float inverse, int8_t *rounded),
              (w, count, inverse, rounded))

/// The largest |w|; infinite if any is not finite.
SEGMOE_BODY void magnitude_body(const float *w, size_t count, float *result) {
  float most[16] = {0}, odd[16] = {0};
  size_t i = 0;
  for (; i + 16 <= count; i += 16)
    for (int l = 0; l < 16; l++) {
      const float size = fabsf(w[i + l]);
      most[l] = size > most[l] ? size : most[l];
      odd[l] += size - size;
    }
  for (; i < count; i++) {
    most[0] = fabsf(w[i]) > most[0] ? fabsf(w[i]) : most[0];
    odd[0] += w[i] - w[i];
  }
  for (int l = 1; l < 16; l++) {
    most[0] = most[l] > most[0] ? most[l] : most[0];
    odd[0] += odd[l];
  }
  *result = odd[0] == 0 ? most[0] : INFINITY;
}
SEGMOE_KERNEL(magnitude, (const float *w, size_t count, float *result), (w, count, result))

/// One column's part of a segment of a panel.
static void pack_column(const float *w, size_t depth, size_t lane, char *block) {
  enum { some = 256 };
  panel_head *head = (panel_head *)block;
  uint8_t *out = (uint8_t *)block + sizeof(panel_head) + lane * 4;
  float most = 0;
  if (w != NULL) magnitude(w, depth, &most);
  // A weight that is not finite must not give a picture that looks right.
  const int finite = isfinite(most);
  const float inverse = most > 0 && finite ? 127.0f / most : 0;
  head->scale[lane] = finite ? most / 127.0f : NAN;
  int32_t sum = 0;
  for (size_t k = 0; k < depth; k += some) {
    const size_t count = depth - k < some ? depth - k : some;
    int8_t rounded[some] = {0};
    if (w != NULL && inverse > 0 && isfinite(inverse)) round_weights(w + k, count, inverse, rounded);
    for (size_t i = 0; i < count; i++) sum += rounded[i];
    for (size_t q = 0; q < quads_of(count); q++, out += SEGMOE_PANEL * 4) memcpy(out, rounded + 4 * q, 4);
  }
  head->sum[lane] = sum;
}

void segmoe_int8_pack(const segmoe_packing *packing, const float *weight, size_t first, size_t last,
                      void *packed) {
  const size_t depth = packing->depth, bytes = panel_segment_bytes(depth);
  for (size_t group = first; group < last; group++)
    for (size_t panel = 0; panel < panels_of_group(packing, group); panel++) {
      char *target = (char *)packed + (group * group_panels + panel) * packing->segments * bytes;
      for (size_t lane = 0; lane < SEGMOE_PANEL; lane++) {
        const ptrdiff_t row = row_of_column(packing, group, panel, lane);
        for (size_t segment = 0; segment < packing->segments; segment++)
          pack_column(row < 0 ? NULL : weight + ((size_t)row * packing->segments + segment) * depth, depth, lane,
                      target + segment * bytes);
      }
    }
}

/// Lowest and highest value with 0 among them; `strange` is 0 unless a value is not finite.
SEGMOE_BODY void extent_body(const float *x, size_t count, float *low, float *high, float *strange) {
  // Several vectors side by side, because a single one would wait for its own results.
  enum { lanes = 64 };
  float least[lanes] = {0}, most[lanes] = {0}, odd[lanes] = {0};
  size_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int l = 0; l < lanes; l++) {
      const float value = x[i + l];
      least[l] = value < least[l] ? value : least[l];
      most[l] = value > most[l] ? value : most[l];
      odd[l] += value - value;
    }
  for (int l = 0; i < count; i++, l++) {
    least[l] = x[i] < least[l] ? x[i] : least[l];
    most[l] = x[i] > most[l] ? x[i] : most[l];
    odd[l] += x[i] - x[i];
  }
  for (int half = lanes / 2; half > 0; half /= 2)
    for (int l = 0; l < half; l++) {
      least[l] = least[l + half] < least[l] ? least[l + half] : least[l];
      most[l] = most[l + half] > most[l] ? most[l + half] : most[l];
      odd[l] += odd[l + half];
    }
  *low = least[0], *high = most[0], *strange = odd[0];
}
SEGMOE_KERNEL(extent, (const float *x, size_t count, float *low, float *high, float *strange),
              (x, count, low, high, strange))

/// x / scale to the nearest integer, moved by the zero point and held within 0…255, as bytes.
SEGMOE_BODY void quantize_bytes_body(const float *x, size_t count, float inverse, int32_t zero,
                                     uint8_t *result) {
  for (size_t i = 0; i < count; i++) {
    const float shifted = x[i] * inverse + 12582912.0f;
    int32_t value = (int32_t)(shifted - 12582912.0f) + zero;
    value = value < 0 ? 0 : value > 255 ? 255 : value;
    result[i] = (uint8_t)value;
  }
}
SEGMOE_KERNEL(quantize_bytes, (const float *x, size_t count, float inverse, int32_t zero, uint8_t *result),
              (x, count, inverse, zero, result))

/// The same less the zero point, as 16 bits.
SEGMOE_BODY void quantize_words_body(const float *x, size_t count, float inverse, int32_t zero,
                                     int16_t *result) {
  for (size_t i = 0; i < count; i++) {
    const float shifted = x[i] * inverse + 12582912.0f;
    int32_t value = (int32_t)(shifted - 12582912.0f) + zero;
    value = value < 0 ? 0 : value > 255 ? 255 : value;
    result[i] = (int16_t)(value - zero);
  }
}
SEGMOE_KERNEL(quantize_words, (const float *x, size_t count, float inverse, int32_t zero, int16_t *result),
              (x, count, inverse, zero, result))

void segmoe_int8_prologue_at(segmoe_product_isa isa, const float *x, size_t count, size_t depth, void *prepared) {
  const int as_bytes = reads_bytes(isa);
  const size_t bytes = segmoe_int8_segment_bytes_at(isa, depth), padded = quads_of(depth) * 4;
  for (size_t i = 0; i < count; i++, x += depth) {
    char *segment = (char *)prepared + i * bytes;
    segment_head *head = (segment_head *)segment;
    void *values = segment + sizeof *head;
    float low, high, strange;
    extent(x, depth, &low, &high, &strange);
    const float range = high - low;
    const float inverse = 255.0f / range;
    head->scale = range / 255.0f;
    head->zero = 0;
    if (strange != 0 || !isfinite(range)) {
      head->scale = NAN;
      memset(values, 0, padded * (as_bytes ? 1 : 2));
      continue;
    }
    if (!isfinite(inverse)) {
      // All values are zero, or too small to matter.
      head->scale = 0;
      memset(values, 0, padded * (as_bytes ? 1 : 2));
      continue;
    }
    head->zero = (int32_t)nearbyintf(-low * inverse);
    if (as_bytes) {
      quantize_bytes(x, depth, inverse, head->zero, values);
      // The weights are 0 there, so these bytes do not matter.
      memset((uint8_t *)values + depth, 0, padded - depth);
    } else {
      quantize_words(x, depth, inverse, head->zero, values);
      memset((int16_t *)values + depth, 0, (padded - depth) * 2);
    }
  }
}
