// The product at the heart of attention and convolution: a few rows times panels of 16 columns, kept
// in registers over the whole depth. Part of a body (each_isa.h).
typedef float VARIANT(vector) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));
typedef int32_t VARIANT(integers) __attribute__((vector_size(4 * LANES), aligned(4), may_alias));

#undef PANEL
#undef PARTS
#undef TILE_ROWS
#undef INLINE
#define PANEL 16
#define PARTS (PANEL / LANES)
#define TILE_ROWS 6
#define INLINE static inline __attribute__((always_inline))

/// c = a · b, or c += a · b: the `rows` rows at `a`, and rows of `c` (`ldc` floats apart) by `panels`
/// panels of `b` (`panel_stride` apart), each `depth` rows of 16 floats. Sums run over the depth in
/// order.
INLINE void VARIANT(tile)(int rows, int panels, const float *const *a, const float *b,
                          size_t panel_stride, size_t depth, float *c, size_t ldc, int accumulate) {
  typedef VARIANT(vector) vector;
  vector sum[TILE_ROWS][TILE_PANELS * PARTS];
  const float *x[TILE_ROWS];
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++) x[r] = a[r];
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < panels * PARTS; v++) {
      if (accumulate)
        sum[r][v] = *(const vector *)(c + r * ldc + v * LANES);
      else
        sum[r][v] = (vector){0};
    }
  for (size_t k = 0; k < depth; k++) {
    vector column[TILE_PANELS * PARTS];
#pragma clang loop unroll(full)
    for (int v = 0; v < panels * PARTS; v++)
      column[v] = *(const vector *)(b + v / PARTS * panel_stride + k * PANEL + v % PARTS * LANES);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
      float value = x[r][k];
#pragma clang loop unroll(full)
      for (int v = 0; v < panels * PARTS; v++) sum[r][v] = value * column[v] + sum[r][v];
    }
  }
#pragma clang loop unroll(full)
  for (int r = 0; r < rows; r++)
#pragma clang loop unroll(full)
    for (int v = 0; v < panels * PARTS; v++) *(vector *)(c + r * ldc + v * LANES) = sum[r][v];
}

/// The same for any number of panels and 1 to 6 rows.
static void VARIANT(microkernel_of_rows)(size_t rows, size_t panels, const float *const *a, const float *b,
                                   size_t panel_stride, size_t depth, float *c, size_t ldc,
                                   int accumulate) {
#define TILE(r, p) VARIANT(tile)(r, p, a, b, panel_stride, depth, c, ldc, accumulate)
#if TILE_PANELS > 1
#define TILES(r)                                                                                   \
  case r:                                                                                          \
    switch (now) {                                                                                 \
    case 4: TILE(r, 4); break;                                                                     \
    case 3: TILE(r, 3); break;                                                                     \
    case 2: TILE(r, 2); break;                                                                     \
    default: TILE(r, 1);                                                                           \
    }                                                                                              \
    break;
#else
#define TILES(r)                                                                                   \
  case r: TILE(r, 1); break;
#endif
  while (panels > 0) {
    size_t now = panels < TILE_PANELS ? panels : TILE_PANELS;
    // Five panels are taken as three and two, because the sums of a single panel would wait for each other.
    if (TILE_PANELS > 1 && panels == TILE_PANELS + 1) now = TILE_PANELS - 1;
    switch (rows) {
      TILES(6)
      TILES(5)
      TILES(4)
      TILES(3)
      TILES(2)
      TILES(1)
    }
    b += now * panel_stride;
    c += now * PANEL;
    panels -= now;
  }
#undef TILE
#undef TILES
}

/// The same for rows that lie `lda` floats apart.
INLINE void VARIANT(microkernel)(size_t rows, size_t panels, const float *a, size_t lda, const float *b,
                           size_t panel_stride, size_t depth, float *c, size_t ldc, int accumulate) {
  const float *row[TILE_ROWS];
  for (size_t r = 0; r < rows; r++) row[r] = a + r * lda;
  VARIANT(microkernel_of_rows)(rows, panels, row, b, panel_stride, depth, c, ldc, accumulate);
}
