// Products in single precision. A packed panel is, per segment, `[k][16]`; rows are read where they are.
#include "product_f32.h"
#include "convert.h"

#define SEGMOE_BODY_FILE "product_body.h"
#include "each_isa.h"

// Values that a microkernel runs over at a time: a group's panels of so many stay in a second-level cache.
enum { depth_values = 512 };

segmoe_microkernel segmoe_f32_microkernel(segmoe_isa isa) {
  switch (isa) {
#if defined(__x86_64__)
  case SEGMOE_ISA_AVX512: return microkernel_f32_avx512;
  case SEGMOE_ISA_WIDE: return microkernel_f32_wide;
  case SEGMOE_ISA_AVX2: return microkernel_f32_avx2;
#endif
  default: return microkernel_f32_scalar;
  }
}

size_t segmoe_f32_packed_bytes(const segmoe_packing *packing) {
  return segmoe_panels(packing) * packing->segments * packing->depth * SEGMOE_PANEL * sizeof(float);
}

size_t segmoe_f32_segment_bytes(size_t depth) { return depth * sizeof(float); }

void segmoe_f32_pack(const segmoe_packing *packing, const float *weight, size_t first, size_t last,
                     void *packed) {
  enum { some = 16 };
  const size_t row = packing->segments * packing->depth;
  for (size_t group = first; group < last; group++)
    for (size_t panel = 0; panel < panels_of_group(packing, group); panel++) {
      float *target = (float *)packed + (group * group_panels + panel) * row * SEGMOE_PANEL;
      const float *source[SEGMOE_PANEL];
      for (size_t lane = 0; lane < SEGMOE_PANEL; lane++) {
        const ptrdiff_t from = row_of_column(packing, group, panel, lane);
        source[lane] = from < 0 ? NULL : weight + (size_t)from * row;
      }
      // A few values at a time, so that what 16 rows write stays in the first-level cache.
      for (size_t k = 0; k < row; k += some) {
        const size_t count = row - k < some ? row - k : some;
        for (size_t lane = 0; lane < SEGMOE_PANEL; lane++)
          for (size_t i = 0; i < count; i++)
            target[(k + i) * SEGMOE_PANEL + lane] = source[lane] == NULL ? 0 : source[lane][k + i];
      }
    }
}

/// A panel's step is 16 values; in a row it is one.
static segmoe_blocking blocking_of(const segmoe_packing *packing, size_t value) {
  return (segmoe_blocking){
      .microkernel = segmoe_f32_microkernel(segmoe_isa_in_use()),
      .steps = packing->depth,
      .depth_steps = depth_values,
      .panel_step = SEGMOE_PANEL * value,
      .panel_segment = packing->depth * SEGMOE_PANEL * value,
      .row_step = sizeof(float),
  };
}

void segmoe_f32_product(const segmoe_packing *packing, const void *packed, const void *const *segments,
                        size_t rows, size_t first, size_t last, const segmoe_epilogue *epilogue,
                        float *result, size_t stride, void *scratch) {
  (void)scratch;
  const segmoe_blocking blocking = blocking_of(packing, sizeof(float));
  segmoe_macrokernel(packing, &blocking, packed, segments, rows, first, last, epilogue, result, stride);
}

static void widen_bf16(const char *b, size_t panels, size_t panel, size_t values, void *unpacked) {
  for (size_t p = 0; p < panels; p++)
    segmoe_bf16_to_f32((const uint16_t *)(b + p * panel), (float *)unpacked + p * values * SEGMOE_PANEL,
                       values * SEGMOE_PANEL);
}

void segmoe_f32_product_of_bf16(const segmoe_packing *packing, const void *packed, const void *const *segments,
                         size_t rows, size_t first, size_t last, const segmoe_epilogue *epilogue,
                         float *result, size_t stride, void *scratch) {
  (void)scratch;
  _Static_assert(4 * depth_values * SEGMOE_PANEL * sizeof(float) <= unpacked_bytes, "a group's panels fit");
  segmoe_blocking blocking = blocking_of(packing, sizeof(uint16_t));
  blocking.unpack = widen_bf16;
  blocking.unpacked_step = SEGMOE_PANEL * sizeof(float);
  segmoe_macrokernel(packing, &blocking, packed, segments, rows, first, last, epilogue, result, stride);
}
