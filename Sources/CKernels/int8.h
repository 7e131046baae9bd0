// How weights and rows are stored in int8. A packed panel is, per segment, 16 scales, 16 sums over the segment's
// weights and `[quad of k][16]` of four bytes. A prepared segment is its scale, its zero point and the values: bytes
// 0…255 for VNNI, AMX and SDOT, and for everything else 16 bits with the zero point subtracted.
#ifndef SEGMOE_INT8_H
#define SEGMOE_INT8_H
#include "isa.h"
#include "product.h"
#include <stdint.h>

typedef struct panel_head {
  float scale[SEGMOE_PANEL];
  int32_t sum[SEGMOE_PANEL];
} panel_head;

typedef struct segment_head {
  float scale;
  int32_t zero;
} segment_head;

static inline size_t quads_of(size_t depth) { return (depth + 3) / 4; }

static inline size_t panel_segment_bytes(size_t depth) {
  return sizeof(panel_head) + quads_of(depth) * SEGMOE_PANEL * 4;
}

static inline int reads_bytes(segmoe_product_isa isa) {
  return isa >= SEGMOE_PRODUCT_AVX512_VNNI && isa != SEGMOE_PRODUCT_NEON;
}

#endif
