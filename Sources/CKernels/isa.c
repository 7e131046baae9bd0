#include "isa.h"
#include "amx.h"
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#if defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

// -1: not chosen yet. Two threads that choose at once choose the same.
static atomic_int chosen = -1;

// What tests force on a thread; others go on with what was chosen.
static _Thread_local int forced = -1, forced_product = -1;

int segmoe_isa_available(segmoe_isa isa) {
  switch (isa) {
  case SEGMOE_ISA_SCALAR:
    return 1;
#if defined(__x86_64__)
  case SEGMOE_ISA_AVX2:
  case SEGMOE_ISA_WIDE:
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
  case SEGMOE_ISA_AVX512:
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#elif defined(__aarch64__)
  case SEGMOE_ISA_NEON:
    return 1;
#endif
  default:
    return 0;
  }
}

static segmoe_isa best(void) {
  if (segmoe_isa_available(SEGMOE_ISA_AVX512)) return SEGMOE_ISA_AVX512;
  if (segmoe_isa_available(SEGMOE_ISA_AVX2)) return SEGMOE_ISA_AVX2;
  if (segmoe_isa_available(SEGMOE_ISA_NEON)) return SEGMOE_ISA_NEON;
  return SEGMOE_ISA_SCALAR;
}

static segmoe_isa asked(void) {
  const int level = segmoe_product_isa_asked();
  if (level < 0) return best();
  // The first levels are the sets; avx512vnni, neondot and the like say more, but nothing that matters here.
  const segmoe_isa isa = level >= SEGMOE_PRODUCT_NEON     ? SEGMOE_ISA_NEON
                         : level >= SEGMOE_PRODUCT_AVX512 ? SEGMOE_ISA_AVX512
                                                          : (segmoe_isa)level;
  return segmoe_isa_available(isa) ? isa : best();
}

segmoe_isa segmoe_isa_in_use(void) {
  if (forced >= 0) return (segmoe_isa)forced;
  int isa = atomic_load_explicit(&chosen, memory_order_relaxed);
  if (isa < 0) {
    isa = (int)asked();
    atomic_store_explicit(&chosen, isa, memory_order_relaxed);
  }
  return (segmoe_isa)isa;
}

int segmoe_isa_force(segmoe_isa isa) {
  if (!segmoe_isa_available(isa)) return 0;
  forced = (int)isa;
  return 1;
}

int segmoe_product_isa_available(segmoe_product_isa isa) {
  switch (isa) {
  case SEGMOE_PRODUCT_SCALAR:
    return 1;
#if defined(__x86_64__)
  case SEGMOE_PRODUCT_AVX2:
    return segmoe_isa_available(SEGMOE_ISA_AVX2);
  case SEGMOE_PRODUCT_AVX512:
    return segmoe_isa_available(SEGMOE_ISA_AVX512);
  case SEGMOE_PRODUCT_AVX512_VNNI:
    return segmoe_isa_available(SEGMOE_ISA_AVX512) && __builtin_cpu_supports("avx512vnni");
  case SEGMOE_PRODUCT_AVX512_BF16:
    return segmoe_product_isa_available(SEGMOE_PRODUCT_AVX512_VNNI) &&
           __builtin_cpu_supports("avx512bf16");
  case SEGMOE_PRODUCT_AMX:
    return segmoe_product_isa_available(SEGMOE_PRODUCT_AVX512_BF16) && segmoe_amx_available();
#elif defined(__aarch64__)
  case SEGMOE_PRODUCT_NEON:
    return 1;
#if defined(__linux__)
  // Linux, Documentation/arch/arm64/elf_hwcaps.rst: ASIMDDP and BF16.
  case SEGMOE_PRODUCT_NEON_DOT:
    return (getauxval(AT_HWCAP) >> 20 & 1) != 0;
  case SEGMOE_PRODUCT_NEON_BF16:
    return segmoe_product_isa_available(SEGMOE_PRODUCT_NEON_DOT) && (getauxval(AT_HWCAP2) >> 14 & 1) != 0;
#endif
#endif
  default:
    return 0;
  }
}

const char *segmoe_product_isa_name(segmoe_product_isa isa) {
  static const char *const names[] = {"scalar", "avx2", "avx512",  "avx512vnni", "avx512bf16",
                                      "amx",    "neon", "neondot", "neonbf16"};
  return isa <= SEGMOE_PRODUCT_NEON_BF16 ? names[isa] : "unknown";
}

int segmoe_product_isa_named(const char *name) {
  for (int isa = 0; isa <= SEGMOE_PRODUCT_NEON_BF16; isa++)
    if (strcmp(name, segmoe_product_isa_name((segmoe_product_isa)isa)) == 0) return isa;
  return -1;
}

int segmoe_product_isa_asked(void) {
  const char *name = getenv("SEGMOE_ISA");
  return name == NULL ? -1 : segmoe_product_isa_named(name);
}

static int multiplies_bf16(int level) {
  return level == SEGMOE_PRODUCT_AVX512_BF16 || level == SEGMOE_PRODUCT_AMX || level == SEGMOE_PRODUCT_NEON_BF16;
}

int segmoe_bf16_is_native(void) {
  const int asked = segmoe_product_isa_asked();
  if (asked >= 0 && segmoe_product_isa_available((segmoe_product_isa)asked) && !multiplies_bf16(asked)) return 0;
  return segmoe_product_isa_available(SEGMOE_PRODUCT_AVX512_BF16) ||
         segmoe_product_isa_available(SEGMOE_PRODUCT_NEON_BF16);
}

int segmoe_product_isa_force(segmoe_product_isa isa) {
  if (!segmoe_product_isa_available(isa)) return 0;
  forced_product = (int)isa;
  return 1;
}

void segmoe_product_isa_release(void) { forced_product = -1; }

int segmoe_product_isa_forced(void) { return forced_product; }
