// Products in bfloat16. The packed weight is `[panel][pair of k][16]` of 32 bits, the pair's second
// value in the upper half; a prepared row holds the same pairs for VDPBF16PS and rounded single
// precision for everything else.
#include "convert.h"
#include "product_tile.h"

// Pairs that a strip runs over at a time: four panels of them stay in a second-level cache.
enum { strip_pairs = 320 };

static size_t pairs_of(size_t depth) { return (depth + 1) / 2; }

static int reads_pairs(void) { return segmoe_product_isa_in_use() == SEGMOE_PRODUCT_AVX512_BF16; }

size_t segmoe_bf16_packed_bytes(const segmoe_packing *packing) {
  size_t panels = 0;
  for (size_t group = 0; group < segmoe_groups(packing); group++) panels += panels_of_group(packing, group);
  return panels * packing->pieces * pairs_of(packing->depth) * SEGMOE_PANEL * sizeof(uint32_t);
}

// Room for either form, so that nobody needs to know which one is used.
size_t segmoe_bf16_piece_bytes(size_t depth) {
  return pairs_of(depth) * 2 * (reads_pairs() ? sizeof(uint16_t) : sizeof(float));
}

void segmoe_bf16_pack(const segmoe_packing *packing, const float *weight, size_t first, size_t last,
                      void *packed) {
  enum { some = 128 };
  const size_t pairs = pairs_of(packing->depth), row = packing->pieces * packing->depth;
  const size_t panel_pairs = packing->pieces * pairs;
  for (size_t group = first; group < last; group++)
    for (size_t panel = 0; panel < panels_of_group(packing, group); panel++) {
      uint32_t *target = (uint32_t *)packed + (group * group_panels + panel) * panel_pairs * SEGMOE_PANEL;
      for (size_t piece = 0; piece < packing->pieces; piece++)
        // Some values at a time, so that what 16 rows write meets in the first cache.
        for (size_t k = 0; k < packing->depth; k += some) {
          const size_t count = packing->depth - k < some ? packing->depth - k : some;
          for (size_t lane = 0; lane < SEGMOE_PANEL; lane++) {
            uint16_t rounded[some + 1] = {0};
            const ptrdiff_t source = row_of_column(packing, group, panel, lane);
            if (source >= 0)
              segmoe_f32_to_bf16(weight + (size_t)source * row + piece * packing->depth + k, rounded, count);
            uint32_t *out = target + (piece * pairs + k / 2) * SEGMOE_PANEL + lane;
            for (size_t p = 0; p < pairs_of(count); p++)
              out[p * SEGMOE_PANEL] = rounded[2 * p] | (uint32_t)rounded[2 * p + 1] << 16;
          }
        }
    }
}

SEGMOE_BODY void round_to_bf16_body(const float *x, float *result, size_t count) {
  for (size_t i = 0; i < count; i++) {
    uint32_t bits;
    memcpy(&bits, x + i, sizeof bits);
    const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
    const uint32_t quiet = (bits & 0xffff0000) | 0x400000;
    const uint32_t chosen = (bits & 0x7fffffff) > 0x7f800000 ? quiet : rounded;
    memcpy(result + i, &chosen, sizeof chosen);
  }
}
SEGMOE_KERNEL(round_to_bf16, (const float *x, float *result, size_t count), (x, result, count))

void segmoe_bf16_prepare(const float *x, size_t count, size_t depth, void *prepared) {
  const int pairs = reads_pairs();
  const size_t bytes = segmoe_bf16_piece_bytes(depth), odd = depth % 2;
  // Even pieces lie side by side in either form.
  if (!odd) depth *= count, count = 1;
  for (size_t i = 0; i < count; i++) {
    char *piece = (char *)prepared + i * bytes;
    if (pairs) {
      segmoe_f32_to_bf16(x + i * depth, (uint16_t *)piece, depth);
      if (odd) ((uint16_t *)piece)[depth] = 0;
    } else {
      round_to_bf16(x + i * depth, (float *)piece, depth);
      if (odd) ((float *)piece)[depth] = 0;
    }
  }
}

static float wide(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

/// The reference of all strips.
static void strip_scalar(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                         size_t pairs, float *sums) {
  for (size_t r = 0; r < rows; r++)
    for (size_t c = 0; c < panels * SEGMOE_PANEL; c++) {
      const float *x = (const float *)a[r];
      const uint32_t *w = (const uint32_t *)(b + c / SEGMOE_PANEL * panel) + c % SEGMOE_PANEL;
      float sum = sums[r * SEGMOE_GROUP + c];
      for (size_t p = 0; p < pairs; p++) {
        sum += x[2 * p + 1] * wide(w[p * SEGMOE_PANEL] & 0xffff0000);
        sum += x[2 * p] * wide(w[p * SEGMOE_PANEL] << 16);
      }
      sums[r * SEGMOE_GROUP + c] = sum;
    }
}

#if defined(__x86_64__)
SEGMOE_TILE(SEGMOE_SET_AVX2)
void tile_avx2(const size_t rows, const char *const *a, const char *b, size_t pairs, float *sums) {
  __m256 sum[tile_rows][2];
  const float *x[tile_rows];
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    x[r] = (const float *)a[r];
    sum[r][0] = _mm256_loadu_ps(sums + r * SEGMOE_GROUP);
    sum[r][1] = _mm256_loadu_ps(sums + r * SEGMOE_GROUP + 8);
  }
  const __m256i upper = _mm256_set1_epi32((int)0xffff0000);
  for (size_t p = 0; p < pairs; p++, b += 64) {
    const __m256i w0 = _mm256_loadu_si256((const __m256i *)b);
    const __m256i w1 = _mm256_loadu_si256((const __m256i *)(b + 32));
    const __m256 odd0 = _mm256_castsi256_ps(_mm256_and_si256(w0, upper));
    const __m256 odd1 = _mm256_castsi256_ps(_mm256_and_si256(w1, upper));
    SEGMOE_UNROLL
    for (size_t r = 0; r < rows; r++) {
      const __m256 value = _mm256_broadcast_ss(x[r] + 2 * p + 1);
      sum[r][0] = _mm256_fmadd_ps(value, odd0, sum[r][0]);
      sum[r][1] = _mm256_fmadd_ps(value, odd1, sum[r][1]);
    }
    const __m256 even0 = _mm256_castsi256_ps(_mm256_slli_epi32(w0, 16));
    const __m256 even1 = _mm256_castsi256_ps(_mm256_slli_epi32(w1, 16));
    SEGMOE_UNROLL
    for (size_t r = 0; r < rows; r++) {
      const __m256 value = _mm256_broadcast_ss(x[r] + 2 * p);
      sum[r][0] = _mm256_fmadd_ps(value, even0, sum[r][0]);
      sum[r][1] = _mm256_fmadd_ps(value, even1, sum[r][1]);
    }
  }
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    _mm256_storeu_ps(sums + r * SEGMOE_GROUP, sum[r][0]);
    _mm256_storeu_ps(sums + r * SEGMOE_GROUP + 8, sum[r][1]);
  }
}

SEGMOE_TARGET(SEGMOE_SET_AVX2)
static void strip_avx2(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                       size_t pairs, float *sums) {
  for (; panels > 0; panels--, b += panel, sums += SEGMOE_PANEL) {
#define TILE(r, p) tile_avx2(r, a, b, pairs, sums)
    SEGMOE_STRIP_ROWS(1)
#undef TILE
  }
}

SEGMOE_TILE(SEGMOE_SET_AVX512)
void tile_avx512(const size_t rows, const size_t panels, const char *const *a, const char *b,
                 size_t panel, size_t pairs, float *sums) {
  __m512 sum[tile_rows][group_panels];
  const float *x[tile_rows];
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    x[r] = (const float *)a[r];
    SEGMOE_UNROLL
    for (size_t v = 0; v < panels; v++) sum[r][v] = _mm512_loadu_ps(sums + r * SEGMOE_GROUP + v * 16);
  }
  const __m512i upper = _mm512_set1_epi32((int)0xffff0000);
  for (size_t p = 0; p < pairs; p++, b += 64) {
    __m512 odd[group_panels], even[group_panels];
    SEGMOE_UNROLL
    for (size_t v = 0; v < panels; v++) {
      const __m512i w = _mm512_loadu_si512((const void *)(b + v * panel));
      odd[v] = _mm512_castsi512_ps(_mm512_and_si512(w, upper));
      even[v] = _mm512_castsi512_ps(_mm512_slli_epi32(w, 16));
    }
    SEGMOE_UNROLL
    for (size_t r = 0; r < rows; r++) {
      const __m512 value = _mm512_set1_ps(x[r][2 * p + 1]);
      SEGMOE_UNROLL
      for (size_t v = 0; v < panels; v++) sum[r][v] = _mm512_fmadd_ps(value, odd[v], sum[r][v]);
    }
    SEGMOE_UNROLL
    for (size_t r = 0; r < rows; r++) {
      const __m512 value = _mm512_set1_ps(x[r][2 * p]);
      SEGMOE_UNROLL
      for (size_t v = 0; v < panels; v++) sum[r][v] = _mm512_fmadd_ps(value, even[v], sum[r][v]);
    }
  }
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    SEGMOE_UNROLL
    for (size_t v = 0; v < panels; v++) _mm512_storeu_ps(sums + r * SEGMOE_GROUP + v * 16, sum[r][v]);
  }
}

SEGMOE_TARGET(SEGMOE_SET_AVX512)
static void strip_avx512(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                         size_t pairs, float *sums) {
  // Three panels at most: odd and even weights need a register each. Four are two and two.
  while (panels > 0) {
    const size_t now = panels > 3 ? 2 : panels;
#define TILE(r, p) tile_avx512(r, p, a, b, panel, pairs, sums)
    switch (now) {
    case 3: SEGMOE_STRIP_ROWS(3) break;
    case 2: SEGMOE_STRIP_ROWS(2) break;
    default: SEGMOE_STRIP_ROWS(1) break;
    }
#undef TILE
    panels -= now, b += now * panel, sums += now * SEGMOE_PANEL;
  }
}

SEGMOE_TILE(SEGMOE_SET_BF16)
void tile_bf16(const size_t rows, const size_t panels, const char *const *a, const char *b, size_t panel,
               size_t pairs, float *sums) {
  __m512 sum[tile_rows][group_panels];
  const char *x[tile_rows];
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    x[r] = a[r];
    SEGMOE_UNROLL
    for (size_t v = 0; v < panels; v++) sum[r][v] = _mm512_loadu_ps(sums + r * SEGMOE_GROUP + v * 16);
  }
  for (size_t p = 0; p < pairs; p++, b += 64) {
    __m512i w[group_panels];
    SEGMOE_UNROLL
    for (size_t v = 0; v < panels; v++) w[v] = _mm512_loadu_si512((const void *)(b + v * panel));
    SEGMOE_UNROLL
    for (size_t r = 0; r < rows; r++) {
      int32_t pair;
      memcpy(&pair, x[r] + 4 * p, sizeof pair);
      const __m512i value = _mm512_set1_epi32(pair);
      SEGMOE_UNROLL
      for (size_t v = 0; v < panels; v++)
        sum[r][v] = _mm512_dpbf16_ps(sum[r][v], (__m512bh)value, (__m512bh)w[v]);
    }
  }
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    SEGMOE_UNROLL
    for (size_t v = 0; v < panels; v++) _mm512_storeu_ps(sums + r * SEGMOE_GROUP + v * 16, sum[r][v]);
  }
}

SEGMOE_TARGET(SEGMOE_SET_BF16)
static void strip_bf16(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                       size_t pairs, float *sums) {
#define TILE(r, p) tile_bf16(r, p, a, b, panel, pairs, sums)
  SEGMOE_STRIP
#undef TILE
}
#endif

static segmoe_strip strip_in_use(void) {
  switch (segmoe_product_isa_in_use()) {
#if defined(__x86_64__)
  case SEGMOE_PRODUCT_AVX512_BF16: return strip_bf16;
  case SEGMOE_PRODUCT_AVX512_VNNI:
  case SEGMOE_PRODUCT_AVX512: return strip_avx512;
  case SEGMOE_PRODUCT_AVX2: return strip_avx2;
#endif
  default: return strip_scalar;
  }
}

void segmoe_bf16_product(const segmoe_packing *packing, const void *packed, const void *const *pieces,
                         size_t rows, size_t first, size_t last, const segmoe_finish *finish,
                         float *result, size_t stride) {
  const segmoe_strip strip = strip_in_use();
  const size_t pairs = pairs_of(packing->depth), pair_bytes = reads_pairs() ? 4 : 8;
  const size_t panel = packing->pieces * pairs * SEGMOE_PANEL * sizeof(uint32_t);
  segmoe_sums sums;
  for (size_t row = 0; row < rows; row += block_rows) {
    const size_t block = rows - row < block_rows ? rows - row : block_rows;
    segmoe_finish part = *finish;
    if (part.row_weights != NULL) part.row_weights += row;
    if (part.base != NULL) part.base += row * stride;
    for (size_t group = first; group < last; group++) {
      const char *weights = (const char *)packed + group * group_panels * panel;
      const size_t panels = panels_of_group(packing, group);
      memset(sums, 0, block * sizeof sums[0]);
      for (size_t piece = 0; piece < packing->pieces; piece++)
        for (size_t k = 0; k < pairs; k += strip_pairs) {
          const size_t now = pairs - k < strip_pairs ? pairs - k : strip_pairs;
          const char *b = weights + (piece * pairs + k) * SEGMOE_PANEL * sizeof(uint32_t);
          for (size_t r = 0; r < block; r += tile_rows) {
            const size_t some = block - r < tile_rows ? block - r : tile_rows;
            const char *a[tile_rows];
            for (size_t i = 0; i < some; i++)
              a[i] = (const char *)pieces[(row + r + i) * packing->pieces + piece] + k * pair_bytes;
            strip(some, panels, a, b, panel, now, sums[r]);
          }
        }
      segmoe_finish_group(packing, group, sums[0], block, &part, result + row * stride, stride);
    }
  }
}
