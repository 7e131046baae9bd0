// Chooses the level for products of reduced precision. A level is used only after its results were checked.
#include "product_isa.h"
#include "attention_check.h"
#include "product_check.h"
#include <stdatomic.h>

// -1: not chosen yet, none failed. Threads that choose at once choose the same.
static atomic_int chosen = -1, failed = -1;

/// Whether a level is the fast way on the processors that have it. Never measured here: a picture depends on the choice, and on a
/// busy machine a clock answers differently from start to start. docs/precision.md has what was measured.
static int is_fast(segmoe_product_isa isa) {
#if defined(__x86_64__)
  // VDPBF16PS does the work of two fused multiply-adds: on Zen 4 in the time of one, on Sapphire and Emerald Rapids in that of
  // four.
  if (isa == SEGMOE_PRODUCT_AVX512_BF16) return !__builtin_cpu_is("intel");
#endif
  (void)isa;
  return 1;
}

static segmoe_product_isa best(void) {
  const int asked = segmoe_product_isa_asked();
  const int has_asked = asked >= 0 && segmoe_product_isa_available((segmoe_product_isa)asked);
  int isa = has_asked ? asked : SEGMOE_PRODUCT_NEON_BF16;
  while (isa > SEGMOE_PRODUCT_SCALAR) {
    if (segmoe_product_isa_available((segmoe_product_isa)isa)) {
      if (!segmoe_product_is_right((segmoe_product_isa)isa) || !segmoe_attention_is_right((segmoe_product_isa)isa)) {
        int none = -1;
        atomic_compare_exchange_strong(&failed, &none, isa);
      } else if (isa == asked || is_fast((segmoe_product_isa)isa)) {
        break;
      }
    }
    isa--;
  }
  return (segmoe_product_isa)isa;
}

segmoe_product_isa segmoe_product_isa_in_use(void) {
  if (segmoe_product_isa_forced() >= 0) return (segmoe_product_isa)segmoe_product_isa_forced();
  int isa = atomic_load_explicit(&chosen, memory_order_acquire);
  if (isa < 0) {
    isa = (int)best();
    atomic_store_explicit(&chosen, isa, memory_order_release);
  }
  // The first three levels are those of isa.h. Its NEON has all levels of Arm.
  const int base = (int)segmoe_isa_in_use();
  return (segmoe_product_isa)(base < SEGMOE_ISA_AVX512 && isa > base ? base : isa);
}

int segmoe_product_isa_failed(void) {
  (void)segmoe_product_isa_in_use();
  return atomic_load_explicit(&failed, memory_order_relaxed);
}
