#ifndef SEGMOE_SHA256_H
#define SEGMOE_SHA256_H
#include <stddef.h>
#include <stdint.h>

// SHA-256 (FIPS 180-4), in chunks. Uses the processor's SHA instructions where there are any.

typedef struct {
  uint32_t state[8];
  uint64_t length;
  uint8_t pending[64];
} segmoe_sha256;

void segmoe_sha256_begin(segmoe_sha256 *hash);
void segmoe_sha256_add(segmoe_sha256 *hash, const void *bytes, size_t count);
void segmoe_sha256_end(segmoe_sha256 *hash, uint8_t digest[32]);

// One run over whole 64-byte blocks; the _scalar one is the reference of the other.
void segmoe_sha256_blocks(uint32_t state[8], const uint8_t *bytes, size_t blocks);
void segmoe_sha256_blocks_scalar(uint32_t state[8], const uint8_t *bytes, size_t blocks);

#endif
