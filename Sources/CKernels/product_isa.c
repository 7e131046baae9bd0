// Chooses the level for products of reduced precision. A level is used only after its results were checked.
#include "product_isa.h"
#include "attention_check.h"
#include "product_check.h"
#include <pthread.h>

// What is chosen and what failed its check, once for the process: packed weights have the chosen level's form.
static pthread_once_t choice = PTHREAD_ONCE_INIT;
static int chosen, failed = -1;

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

static void choose(void) {
  const int asked = segmoe_product_isa_asked();
  const int has_asked = asked >= 0 && segmoe_product_isa_available((segmoe_product_isa)asked);
  int isa = has_asked ? asked : SEGMOE_PRODUCT_NEON_BF16;
  while (isa > SEGMOE_PRODUCT_SCALAR) {
    if (segmoe_product_isa_available((segmoe_product_isa)isa)) {
      if (!segmoe_product_is_right((segmoe_product_isa)isa) || !segmoe_attention_is_right((segmoe_product_isa)isa)) {
        if (failed < 0) failed = isa;
      } else if (isa == asked || is_fast((segmoe_product_isa)isa)) {
        break;
      }
    }
    isa--;
  }
  chosen = isa;
}

segmoe_product_isa segmoe_product_isa_in_use(void) {
  if (segmoe_product_isa_forced() >= 0) return (segmoe_product_isa)segmoe_product_isa_forced();
  pthread_once(&choice, choose);
  // The first three levels are those of isa.h. Its NEON has all levels of Arm.
  const int base = (int)segmoe_isa_in_use();
  return (segmoe_product_isa)(base < SEGMOE_ISA_AVX512 && chosen > base ? base : chosen);
}

int segmoe_product_isa_failed(void) {
  pthread_once(&choice, choose);
  return failed;
}
