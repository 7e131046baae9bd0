// Whether tiles.c multiplies as Intel's manual says, where that shows: of one row and one column.
#include "tiles.h"
#include <stdint.h>
#include <stdio.h>

int tiles_faults(void) {
  static const struct {
    const char *what;
    float before;
    uint16_t x[4], w[4];
    float expected;
  } cases[] = {
      // 1.0 is 0x3f80, 2^-24 is 0x3380, the least normal number 0x0080.
      {"first and second values have sums of their own", 0, {0x3f80, 0x3380, 0x3380, 0x3380}, {0x3f80, 0x3f80, 0x3f80, 0x3f80},
       1 + 0x1p-23f},
      {"what was there is added last", 0x1p24f, {0x3f80, 0x3f80, 0, 0}, {0x3f80, 0x3f80, 0, 0}, 0x1p24f + 2},
      {"a subnormal number is 0", 0, {0x0040, 0, 0, 0}, {0x7f00, 0, 0, 0}, 0},
      {"a subnormal product is 0", 0, {0x0080, 0, 0, 0}, {0x3f00, 0, 0, 0}, 0},
      {"a subnormal sum that was there is 0", 0x1p-130f, {0, 0, 0, 0}, {0, 0, 0, 0}, 0},
  };
  uint8_t shapes[64] = {1};
  int faults = 0;
  // Tile 0: a row of one sum; 1: a row of two pairs; 2: two rows of a pair.
  shapes[16] = 4, shapes[18] = 8, shapes[20] = 4, shapes[48] = 1, shapes[49] = 1, shapes[50] = 2;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
    float found = cases[i].before;
    _tile_loadconfig(shapes);
    _tile_loadd(0, &found, 4);
    _tile_loadd(1, cases[i].x, 8);
    _tile_loadd(2, cases[i].w, 4);
    _tile_dpbf16ps(0, 1, 2);
    _tile_stored(0, &found, 4);
    if (found == cases[i].expected) continue;
    printf("tiles: %s: %g instead of %g\n", cases[i].what, found, cases[i].expected);
    faults++;
  }
  const uint8_t x[8] = {255, 1, 0, 0, 0, 0, 0, 2};
  const int8_t w[8] = {-128, 127, 3, 3, 3, 3, 3, -5};
  int32_t found = 1000;
  _tile_loadd(0, &found, 4);
  _tile_loadd(1, x, 8);
  _tile_loadd(2, w, 4);
  _tile_dpbusd(0, 1, 2);
  _tile_stored(0, &found, 4);
  _tile_release();
  if (found != 1000 - 255 * 128 + 127 - 10) printf("tiles: bytes: %d\n", found), faults++;
  return faults;
}
