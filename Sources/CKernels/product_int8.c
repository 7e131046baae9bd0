// Products in int8. A packed panel is, per segment, 16 scales, 16 sums over the segment's weights and
// `[quad of k][16]` of four bytes. A prepared segment is its scale, its zero point and the values: bytes
// 0…255 for VNNI, and for everything else 16 bits with the zero point taken off.
#include "macrokernel.h"
#include "product_levels.h"
#include "targets.h"
#include "variants.h"
#include <math.h>

typedef struct panel_head {
  float scale[SEGMOE_PANEL];
  int32_t sum[SEGMOE_PANEL];
} panel_head;

typedef struct segment_head {
  float scale;
  int32_t zero;
} segment_head;

static size_t quads_of(size_t depth) { return (depth + 3) / 4; }

static size_t panel_segment_bytes(size_t depth) {
  return sizeof(panel_head) + quads_of(depth) * SEGMOE_PANEL * 4;
}

static int reads_bytes(segmoe_product_isa isa) { return isa >= SEGMOE_PRODUCT_AVX512_VNNI; }

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

/// The reference of all microkernels. `steps` are quads.
static void microkernel_scalar(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                         size_t quads, float *sums) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < panels * SEGMOE_PANEL; c++) {
      const segment_head *segment = (const segment_head *)a[r];
      const int16_t *x = (const int16_t *)(segment + 1);
      const panel_head *head = (const panel_head *)(b + c / SEGMOE_PANEL * panel);
      const int8_t *w = (const int8_t *)(head + 1) + c % SEGMOE_PANEL * 4;
      int32_t sum = 0;
      for (size_t k = 0; k < quads * 4; k++) sum += x[k] * w[k / 4 * SEGMOE_PANEL * 4 + k % 4];
      sums[r * SEGMOE_GROUP + c] += (float)sum * head->scale[c % SEGMOE_PANEL] * segment->scale;
    }
}

#if defined(__x86_64__)
// Half a panel, eight columns. 32 bits hold two products, so that a lane sums the first or the second
// half of every quad of one column; pairs of lanes are added at the end.
SEGMOE_TILE(SEGMOE_SET_AVX2)
void tile_avx2(const size_t rows, const char *const *a, const char *b, size_t half, size_t quads,
               float *sums) {
  __m256i sum[tile_rows][2];
  const int16_t *x[tile_rows];
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    x[r] = (const int16_t *)(a[r] + sizeof(segment_head));
    sum[r][0] = sum[r][1] = _mm256_setzero_si256();
  }
  const panel_head *head = (const panel_head *)b;
  const char *w = b + sizeof(panel_head) + half * 32;
  for (size_t q = 0; q < quads; q++, w += 64) {
    const __m256i w0 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)w));
    const __m256i w1 = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + 16)));
    SEGMOE_UNROLL
    for (size_t r = 0; r < rows; r++) {
      int64_t quad;
      memcpy(&quad, x[r] + 4 * q, sizeof quad);
      const __m256i value = _mm256_set1_epi64x(quad);
      sum[r][0] = _mm256_add_epi32(sum[r][0], _mm256_madd_epi16(value, w0));
      sum[r][1] = _mm256_add_epi32(sum[r][1], _mm256_madd_epi16(value, w1));
    }
  }
  const __m256 scale = _mm256_loadu_ps(head->scale + half * 8);
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    // Columns 0 1 4 5 | 2 3 6 7 after the pairwise sum.
    const __m256i pairs = _mm256_hadd_epi32(sum[r][0], sum[r][1]);
    const __m256 whole = _mm256_cvtepi32_ps(_mm256_permute4x64_epi64(pairs, 0xd8));
    const float row_scale = ((const segment_head *)a[r])->scale;
    const __m256 value = _mm256_mul_ps(_mm256_mul_ps(whole, scale), _mm256_set1_ps(row_scale));
    float *target = sums + r * SEGMOE_GROUP + half * 8;
    _mm256_storeu_ps(target, _mm256_add_ps(_mm256_loadu_ps(target), value));
  }
}

SEGMOE_TARGET(SEGMOE_SET_AVX2)
static void microkernel_avx2(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                       size_t quads, float *sums) {
  for (; panels > 0; panels--, b += panel, sums += SEGMOE_PANEL)
    for (size_t half = 0; half < 2; half++) {
#define TILE(r, p) tile_avx2(r, a, b, half, quads, sums)
      SEGMOE_MICROKERNEL_ROWS(1)
#undef TILE
    }
}

SEGMOE_TILE(SEGMOE_SET_VNNI)
void tile_vnni(const size_t rows, const size_t panels, const char *const *a, const char *b, size_t panel,
               size_t quads, float *sums) {
  __m512i sum[tile_rows][group_panels];
  const char *x[tile_rows];
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    x[r] = a[r] + sizeof(segment_head);
    const __m512i zero = _mm512_set1_epi32(-((const segment_head *)a[r])->zero);
    SEGMOE_UNROLL
    for (size_t v = 0; v < panels; v++)
      sum[r][v] = _mm512_mullo_epi32(
          zero, _mm512_loadu_si512((const void *)((const panel_head *)(b + v * panel))->sum));
  }
  const char *w = b + sizeof(panel_head);
  for (size_t q = 0; q < quads; q++, w += 64) {
    __m512i column[group_panels];
    SEGMOE_UNROLL
    for (size_t v = 0; v < panels; v++) column[v] = _mm512_loadu_si512((const void *)(w + v * panel));
    SEGMOE_UNROLL
    for (size_t r = 0; r < rows; r++) {
      int32_t quad;
      memcpy(&quad, x[r] + 4 * q, sizeof quad);
      const __m512i value = _mm512_set1_epi32(quad);
      SEGMOE_UNROLL
      for (size_t v = 0; v < panels; v++) sum[r][v] = _mm512_dpbusd_epi32(sum[r][v], value, column[v]);
    }
  }
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    const __m512 row_scale = _mm512_set1_ps(((const segment_head *)a[r])->scale);
    SEGMOE_UNROLL
    for (size_t v = 0; v < panels; v++) {
      const __m512 scale = _mm512_loadu_ps(((const panel_head *)(b + v * panel))->scale);
      const __m512 value = _mm512_mul_ps(_mm512_mul_ps(_mm512_cvtepi32_ps(sum[r][v]), scale), row_scale);
      float *target = sums + r * SEGMOE_GROUP + v * 16;
      _mm512_storeu_ps(target, _mm512_add_ps(_mm512_loadu_ps(target), value));
    }
  }
}

SEGMOE_TARGET(SEGMOE_SET_VNNI)
static void microkernel_vnni(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                       size_t quads, float *sums) {
#define TILE(r, p) tile_vnni(r, p, a, b, panel, quads, sums)
  SEGMOE_MICROKERNEL
#undef TILE
}
#endif

static segmoe_microkernel microkernel_at(segmoe_product_isa isa) {
  switch (isa) {
#if defined(__x86_64__)
  case SEGMOE_PRODUCT_AVX512_BF16:
  case SEGMOE_PRODUCT_AVX512_VNNI: return microkernel_vnni;
  case SEGMOE_PRODUCT_AVX512:
  case SEGMOE_PRODUCT_AVX2: return microkernel_avx2;
#endif
  default: return microkernel_scalar;
  }
}

void segmoe_int8_product_at(segmoe_product_isa isa, const segmoe_packing *packing, const void *packed,
                            const void *const *segments, size_t rows, size_t first, size_t last,
                            const segmoe_epilogue *epilogue, float *result, size_t stride) {
  // A microkernel takes a whole segment: it scales the sums of just one.
  const size_t quads = quads_of(packing->depth);
  const segmoe_blocking blocking = {
      .microkernel = microkernel_at(isa),
      .steps = quads,
      .depth_steps = quads,
      .panel_segment = panel_segment_bytes(packing->depth),
  };
  segmoe_macrokernel(packing, &blocking, packed, segments, rows, first, last, epilogue, result, stride);
}
