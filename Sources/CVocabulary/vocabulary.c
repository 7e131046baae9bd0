#include "vocabulary.h"

// The assembler takes the file in as it is; it is found by the target's header search path. (As a Swift
// or C literal half a megabyte compiles for minutes.)
__asm__(".section .rodata\n"
        ".global segmoe_clip_merges_begin\n"
        ".global segmoe_clip_merges_end\n"
        "segmoe_clip_merges_begin:\n"
        ".incbin \"clip_merges.txt\"\n"
        "segmoe_clip_merges_end:\n"
        ".byte 0\n"
        ".text\n");

extern const unsigned char segmoe_clip_merges_begin[];
extern const unsigned char segmoe_clip_merges_end[];

const unsigned char *segmoe_clip_merges(size_t *count) {
  *count = (size_t)(segmoe_clip_merges_end - segmoe_clip_merges_begin);
  return segmoe_clip_merges_begin;
}
