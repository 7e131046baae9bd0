// Finds out whether AMX's tiles can be used (Intel 64 and IA-32 Architectures Software Developer's Manual, volume 1, chapter
// "Programming with Intel AMX"; Linux, Documentation/arch/x86/xstate.rst).
#define _GNU_SOURCE
#include "amx.h"
#if defined(__x86_64__) && defined(__linux__)
#include <cpuid.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <unistd.h>

// Linux's numbers, which older headers lack: the call that asks for a part of the registers' state, and the two parts.
enum { request_permission = 0x1023, tile_configuration = 17, tile_data = 18 };

/// Whether the kernel saves tiles when it switches threads: XCR0.
static int kernel_saves_tiles(void) {
  unsigned a, b, c, d;
  if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
  uint32_t low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  const uint32_t both = 1u << tile_configuration | 1u << tile_data;
  return (low & both) == both;
}

/// Whether the processor has the instructions, and tiles of the size that the kernels are written for.
static int processor_has_tiles(void) {
  const unsigned bf16 = 1u << 22, tiles = 1u << 24, int8 = 1u << 25, all = bf16 | tiles | int8;
  unsigned a, b, c, d;
  if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & all) != all) return 0;
  // Palette 1: bytes of a tile; bytes of a row and how many tiles; rows.
  if (!__get_cpuid_count(0x1d, 1, &a, &b, &c, &d)) return 0;
  return a >> 16 >= 1024 && (b & 0xffff) >= 64 && b >> 16 >= 8 && (c & 0xffff) >= 16;
}

int segmoe_amx_available(void) {
  // -1: not asked yet. Threads that ask at once are told the same.
  static atomic_int available = -1;
  int known = atomic_load_explicit(&available, memory_order_relaxed);
  if (known < 0) {
    known = processor_has_tiles() && kernel_saves_tiles() && syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
    atomic_store_explicit(&available, known, memory_order_relaxed);
  }
  return known;
}
#else
int segmoe_amx_available(void) { return 0; }
#endif
