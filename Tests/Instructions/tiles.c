// AMX's instructions, written from the pseudocode of Intel's manual (Intel 64 and IA-32 Architectures Software Developer's
// Manual, volume 2: LDTILECFG, TILERELEASE, TILELOADD, TILESTORED,
// TILEZERO, TDPBUSD, TDPBSUD, TDPBF16PS). What the processor answers with a
// fault ends the program.
#include "tiles.h"
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { tiles = 8, most_rows = 16, most_bytes = 64, names = 16 };

typedef struct tile {
  size_t rows, row_bytes;
  uint8_t values[most_rows][most_bytes];
} tile;

static tile file[tiles];
static int configured;

static void fault(const char *instruction, const char *why) {
  fprintf(stderr, "%s: %s\n", instruction, why);
  exit(1);
}

// Palette 1: 8 tiles of at most 16 rows of 64 bytes. Bytes 0 and 1 are palette and first row, 2 to 15 are reserved, then come
// 16 lengths of rows of two bytes and 16 counts of rows of one; those of tiles that do not exist must be 0.
void tiles_configure(const void *shapes) {
  const uint8_t *bytes = shapes;
  if (bytes[0] != 1) fault("LDTILECFG", "palette");
  for (int i = 1; i < 16; i++)
    if (bytes[i] != 0) fault("LDTILECFG", "reserved byte or first row");
  memset(file, 0, sizeof file);
  for (int i = 0; i < names; i++) {
    uint16_t row_bytes;
    memcpy(&row_bytes, bytes + 16 + 2 * i, sizeof row_bytes);
    const size_t rows = bytes[48 + i];
    if ((rows == 0) != (row_bytes == 0)) fault("LDTILECFG", "rows without bytes, or bytes without rows");
    if (rows > most_rows || row_bytes > most_bytes) fault("LDTILECFG", "a tile is too large");
    if (i >= tiles && rows > 0) fault("LDTILECFG", "there is no such tile");
    if (i < tiles) file[i].rows = rows, file[i].row_bytes = row_bytes;
  }
  configured = 1;
}

void tiles_release(void) {
  memset(file, 0, sizeof file);
  configured = 0;
}

int tiles_in_use(void) { return configured; }

static tile *configured_tile(const char *instruction, int number) {
  if (!configured) fault(instruction, "no configuration");
  if (number < 0 || number >= tiles || file[number].rows == 0) fault(instruction, "a tile that is not configured");
  return &file[number];
}

void tiles_load(int number, const void *base, size_t stride) {
  tile *t = configured_tile("TILELOADD", number);
  memset(t->values, 0, sizeof t->values);
  for (size_t row = 0; row < t->rows; row++) memcpy(t->values[row], (const char *)base + row * stride, t->row_bytes);
}

void tiles_store(int number, void *base, size_t stride) {
  const tile *t = configured_tile("TILESTORED", number);
  for (size_t row = 0; row < t->rows; row++) memcpy((char *)base + row * stride, t->values[row], t->row_bytes);
}

void tiles_clear(int number) {
  tile *t = configured_tile("TILEZERO", number);
  memset(t->values, 0, sizeof t->values);
}

/// The three tiles of a product, if their shapes fit: sum `m × n`, a `m × k`, b `k × n`, in units of four bytes.
static void product_of(const char *instruction, int sum, int a, int b, tile **c, const tile **x, const tile **y) {
  if (sum == a || sum == b || a == b) fault(instruction, "a tile is named twice");
  *c = configured_tile(instruction, sum), *x = configured_tile(instruction, a), *y = configured_tile(instruction, b);
  if ((*c)->row_bytes % 4 != 0 || (*x)->row_bytes % 4 != 0 || (*y)->row_bytes % 4 != 0)
    fault(instruction, "rows are not of four bytes");
  if ((*c)->rows != (*x)->rows || (*c)->row_bytes != (*y)->row_bytes || (*x)->row_bytes / 4 != (*y)->rows)
    fault(instruction, "shapes do not fit");
}

/// A byte as the instruction takes it.
static int32_t number_of(uint8_t byte, int is_signed) { return is_signed ? (int32_t)(int8_t)byte : (int32_t)byte; }

void tiles_add_products_of_bytes(int left_signed, int right_signed, int sum, int a, int b) {
  tile *c;
  const tile *x, *y;
  product_of(!left_signed ? "TDPBUSD" : right_signed ? "TDPBSSD" : "TDPBSUD", sum, a, b, &c, &x, &y);
  for (size_t m = 0; m < c->rows; m++)
    for (size_t k = 0; k < x->row_bytes / 4; k++)
      for (size_t n = 0; n < c->row_bytes / 4; n++) {
        // Sums wrap, they do not saturate.
        uint32_t total;
        memcpy(&total, c->values[m] + 4 * n, sizeof total);
        for (size_t i = 0; i < 4; i++) {
          const uint8_t left = x->values[m][4 * k + i], right = y->values[k][4 * n + i];
          total += (uint32_t)(number_of(left, left_signed) * number_of(right, right_signed));
        }
        memcpy(c->values[m] + 4 * n, &total, sizeof total);
      }
}

/// Denormals as the instruction takes and gives them: 0 of their sign.
static float flushed(float x) { return fabsf(x) < FLT_MIN ? copysignf(0, x) : x; }

static float bf16_at(const uint8_t *bytes) {
  const uint32_t bits = (uint32_t)bytes[0] << 16 | (uint32_t)bytes[1] << 24;
  float value;
  memcpy(&value, &bits, sizeof value);
  return flushed(value);
}

// Even and odd values have sums of their own, from 0, each a fused multiply-add to nearest even. Then the two are added,
// and the result is added to what was there.
void tiles_add_products_of_bf16(int sum, int a, int b) {
  tile *c;
  const tile *x, *y;
  product_of("TDPBF16PS", sum, a, b, &c, &x, &y);
  for (size_t m = 0; m < c->rows; m++) {
    float sums[2][most_bytes / 4] = {{0}};
    for (size_t k = 0; k < x->row_bytes / 4; k++)
      for (size_t n = 0; n < c->row_bytes / 4; n++)
        for (size_t i = 0; i < 2; i++)
          sums[i][n] = flushed(fmaf(bf16_at(x->values[m] + 4 * k + 2 * i), bf16_at(y->values[k] + 4 * n + 2 * i), sums[i][n]));
    for (size_t n = 0; n < c->row_bytes / 4; n++) {
      float before;
      memcpy(&before, c->values[m] + 4 * n, sizeof before);
      const float total = flushed(flushed(before) + flushed(sums[0][n] + sums[1][n]));
      memcpy(c->values[m] + 4 * n, &total, sizeof total);
    }
  }
}
