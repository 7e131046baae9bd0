// The microkernels of NEON in int8 and bfloat16 (Arm Architecture Reference Manual for A-profile: SMLAL, SDOT, BFDOT). A vector
// has four columns of a panel, of a quad or a pair each: weights are packed as for all other sets. In single precision it is
// the body of four lanes (each_isa.h), which the compiler makes NEON of.
#include "product_neon.h"
#include "int8.h"
#include "macrokernel.h"
#include "targets.h"

#if defined(__aarch64__)
// Vectors of a panel, and columns of a vector.
enum { vectors = SEGMOE_PANEL / 4, lanes = 4 };

/// Adds the integer sums of a vector of columns to `target` in single precision, scaled by column and by row.
SEGMOE_TILE(SEGMOE_SET_NEON)
void add_scaled(int32x4_t sum, const float *scale, float row_scale, float *target) {
  const float32x4_t value = vmulq_f32(vmulq_f32(vcvtq_f32_s32(sum), vld1q_f32(scale)), vdupq_n_f32(row_scale));
  vst1q_f32(target, vaddq_f32(vld1q_f32(target), value));
}

// A vector of columns at a time. A lane sums one of four values of every quad of a column; four lanes are added at the end.
SEGMOE_TILE(SEGMOE_SET_NEON)
void tile_words(const size_t rows, const char *const *a, const char *b, size_t vector, size_t quads, float *sums) {
  int32x4_t sum[tile_rows][lanes];
  const int16_t *x[tile_rows];
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    x[r] = (const int16_t *)(a[r] + sizeof(segment_head));
    SEGMOE_UNROLL
    for (size_t c = 0; c < lanes; c++) sum[r][c] = vdupq_n_s32(0);
  }
  const panel_head *head = (const panel_head *)b;
  const int8_t *w = (const int8_t *)(b + sizeof(panel_head) + vector * 16);
  for (size_t q = 0; q < quads; q++, w += 64) {
    const int8x16_t bytes = vld1q_s8(w);
    const int16x8_t first = vmovl_s8(vget_low_s8(bytes)), second = vmovl_s8(vget_high_s8(bytes));
    SEGMOE_UNROLL
    for (size_t r = 0; r < rows; r++) {
      const int16x4_t value = vld1_s16(x[r] + 4 * q);
      sum[r][0] = vmlal_s16(sum[r][0], vget_low_s16(first), value);
      sum[r][1] = vmlal_s16(sum[r][1], vget_high_s16(first), value);
      sum[r][2] = vmlal_s16(sum[r][2], vget_low_s16(second), value);
      sum[r][3] = vmlal_s16(sum[r][3], vget_high_s16(second), value);
    }
  }
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++)
    add_scaled(vpaddq_s32(vpaddq_s32(sum[r][0], sum[r][1]), vpaddq_s32(sum[r][2], sum[r][3])), head->scale + vector * 4,
               ((const segment_head *)a[r])->scale, sums + r * SEGMOE_GROUP + vector * 4);
}

SEGMOE_TARGET(SEGMOE_SET_NEON)
void segmoe_microkernel_neon_int8(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                                  size_t quads, float *sums) {
  for (; panels > 0; panels--, b += panel, sums += SEGMOE_PANEL)
    for (size_t vector = 0; vector < vectors; vector++) {
#define TILE(r, p) tile_words(r, a, b, vector, quads, sums)
      SEGMOE_MICROKERNEL_ROWS(1)
#undef TILE
    }
}

// SDOT takes the bytes of both for signed ones. So 128 is subtracted from a row's: x is then off its zero point by
// x − 128 + (128 − zero), and the panel knows the sums of its weights.
SEGMOE_TILE(SEGMOE_SET_NEON_DOT)
void tile_dot(const size_t rows, const char *const *a, const char *b, size_t quads, float *sums) {
  int32x4_t sum[tile_rows][vectors];
  const char *x[tile_rows];
  const panel_head *head = (const panel_head *)b;
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    x[r] = a[r] + sizeof(segment_head);
    SEGMOE_UNROLL
    for (size_t v = 0; v < vectors; v++)
      sum[r][v] = vmulq_n_s32(vld1q_s32(head->sum + v * lanes), 128 - ((const segment_head *)a[r])->zero);
  }
  const int8_t *w = (const int8_t *)(b + sizeof(panel_head));
  for (size_t q = 0; q < quads; q++, w += 64) {
    int8x16_t column[vectors];
    SEGMOE_UNROLL
    for (size_t v = 0; v < vectors; v++) column[v] = vld1q_s8(w + v * 16);
    SEGMOE_UNROLL
    for (size_t r = 0; r < rows; r++) {
      uint32_t quad;
      memcpy(&quad, x[r] + 4 * q, sizeof quad);
      // A byte less by 128 has the other highest bit. In a vector, this would take a register from the sums.
      const int8x16_t value = vreinterpretq_s8_u32(vdupq_n_u32(quad ^ 0x80808080u));
      SEGMOE_UNROLL
      for (size_t v = 0; v < vectors; v++) sum[r][v] = vdotq_s32(sum[r][v], column[v], value);
    }
  }
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    SEGMOE_UNROLL
    for (size_t v = 0; v < vectors; v++)
      add_scaled(sum[r][v], head->scale + v * lanes, ((const segment_head *)a[r])->scale, sums + r * SEGMOE_GROUP + v * lanes);
  }
}

SEGMOE_TARGET(SEGMOE_SET_NEON_DOT)
void segmoe_microkernel_neon_dot(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                                 size_t quads, float *sums) {
  for (; panels > 0; panels--, b += panel, sums += SEGMOE_PANEL) {
#define TILE(r, p) tile_dot(r, a, b, quads, sums)
    SEGMOE_MICROKERNEL_ROWS(1)
#undef TILE
  }
}

SEGMOE_TILE(SEGMOE_SET_NEON_BF16)
void tile_pairs(const size_t rows, const char *const *a, const char *b, size_t pairs, float *sums) {
  float32x4_t sum[tile_rows][vectors];
  const char *x[tile_rows];
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    x[r] = a[r];
    SEGMOE_UNROLL
    for (size_t v = 0; v < vectors; v++) sum[r][v] = vld1q_f32(sums + r * SEGMOE_GROUP + v * lanes);
  }
  for (size_t p = 0; p < pairs; p++, b += 64) {
    bfloat16x8_t column[vectors];
    SEGMOE_UNROLL
    for (size_t v = 0; v < vectors; v++) column[v] = vreinterpretq_bf16_u8(vld1q_u8((const uint8_t *)b + v * 16));
    SEGMOE_UNROLL
    for (size_t r = 0; r < rows; r++) {
      int32_t pair;
      memcpy(&pair, x[r] + 4 * p, sizeof pair);
      const bfloat16x8_t value = vreinterpretq_bf16_s32(vdupq_n_s32(pair));
      SEGMOE_UNROLL
      for (size_t v = 0; v < vectors; v++) sum[r][v] = vbfdotq_f32(sum[r][v], column[v], value);
    }
  }
  SEGMOE_UNROLL
  for (size_t r = 0; r < rows; r++) {
    SEGMOE_UNROLL
    for (size_t v = 0; v < vectors; v++) vst1q_f32(sums + r * SEGMOE_GROUP + v * lanes, sum[r][v]);
  }
}

SEGMOE_TARGET(SEGMOE_SET_NEON_BF16)
void segmoe_microkernel_neon_bf16(size_t rows, size_t panels, const char *const *a, const char *b, size_t panel,
                                  size_t pairs, float *sums) {
  for (; panels > 0; panels--, b += panel, sums += SEGMOE_PANEL) {
#define TILE(r, p) tile_pairs(r, a, b, pairs, sums)
    SEGMOE_MICROKERNEL_ROWS(1)
#undef TILE
  }
}
#endif
