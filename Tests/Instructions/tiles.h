// AMX's tiles in plain C, under the names of the compiler's intrinsics: what kernels are compiled with in place of
// the instructions (targets.h, SEGMOE_SIMDE).
#ifndef SEGMOE_TILES_H
#define SEGMOE_TILES_H

#include <stddef.h>

void tiles_configure(const void *shapes);
void tiles_release(void);
void tiles_load(int tile, const void *base, size_t stride);
void tiles_store(int tile, void *base, size_t stride);
void tiles_clear(int tile);
/// Whose bytes are from −128 on, and not from 0 on.
void tiles_add_products_of_bytes(int left_signed, int right_signed, int sum, int a, int b);
void tiles_add_products_of_bf16(int sum, int a, int b);

/// Whether a configuration is in use.
int tiles_in_use(void);

/// Faults of these functions, which are printed (tiles_check.c).
int tiles_faults(void);

#define _tile_loadconfig(shapes) tiles_configure(shapes)
#define _tile_release() tiles_release()
#define _tile_loadd(tile, base, stride) tiles_load(tile, base, (size_t)(stride))
#define _tile_stored(tile, base, stride) tiles_store(tile, base, (size_t)(stride))
#define _tile_zero(tile) tiles_clear(tile)
#define _tile_dpbusd(sum, a, b) tiles_add_products_of_bytes(0, 1, sum, a, b)
#define _tile_dpbsud(sum, a, b) tiles_add_products_of_bytes(1, 0, sum, a, b)
#define _tile_dpbssd(sum, a, b) tiles_add_products_of_bytes(1, 1, sum, a, b)
#define _tile_dpbf16ps(sum, a, b) tiles_add_products_of_bf16(sum, a, b)

#endif
