#include <stdlib.h>
#include <string.h>

#include "failure.h"

/// Bytes that grow as libpng writes.
typedef struct {
  uint8_t *bytes;
  size_t count;
  size_t capacity;
} buffer;

static void append(png_structp png, png_bytep bytes, size_t length) {
  buffer *into = png_get_io_ptr(png);
  if (length > into->capacity - into->count) {
    size_t capacity = into->capacity ? into->capacity : 1 << 16;
    while (capacity - into->count < length) {
      if (capacity > SIZE_MAX / 2) png_error(png, "out of memory");
      capacity *= 2;
    }
    uint8_t *grown = realloc(into->bytes, capacity);
    if (!grown) png_error(png, "out of memory");
    into->bytes = grown;
    into->capacity = capacity;
  }
  memcpy(into->bytes + into->count, bytes, length);
  into->count += length;
}

static void flush(png_structp png) { (void)png; }

/// Everything that jumps is here, so no variable of the caller is touched between setjmp and a jump.
static png_shim_result encode(
    png_structp png, png_infop info, buffer *into, const uint8_t *rgb, uint32_t width, uint32_t height,
    int level, const png_shim_text *texts, size_t text_count) {
  if (setjmp(png_jmpbuf(png))) return png_shim_damaged;
  png_set_write_fn(png, into, append, flush);
  png_set_user_limits(png, 0x7fffffff, 0x7fffffff);
  png_set_compression_level(png, level);
  png_set_IHDR(
      png, info, width, height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT,
      PNG_FILTER_TYPE_DEFAULT);
  for (size_t i = 0; i < text_count; i++) {
    png_text text = {0};
    text.compression = texts[i].is_utf8 ? PNG_ITXT_COMPRESSION_NONE : PNG_TEXT_COMPRESSION_NONE;
    // libpng's struct is not const-correct; it copies the strings and changes none.
    text.key = (char *)(uintptr_t)texts[i].keyword;
    text.text = (char *)(uintptr_t)texts[i].text;
    if (texts[i].is_utf8) {
      text.itxt_length = texts[i].length;
    } else {
      text.text_length = texts[i].length;
    }
    png_set_text(png, info, &text, 1);
  }
  png_write_info(png, info);
  size_t stride = (size_t)width * 3;
  for (size_t row = 0; row < height; row++) png_write_row(png, rgb + row * stride);
  png_write_end(png, NULL);
  return png_shim_ok;
}

png_shim_result png_shim_encode(
    const uint8_t *rgb, uint32_t width, uint32_t height, int compression_level,
    const png_shim_text *texts, size_t text_count, uint8_t **bytes, size_t *count, char *message) {
  *bytes = NULL;
  *count = 0;
  message[0] = 0;
  png_structp png =
      png_create_write_struct(PNG_LIBPNG_VER_STRING, message, png_shim_fail, png_shim_ignore);
  if (!png) return png_shim_no_memory;
  png_infop info = png_create_info_struct(png);
  buffer into = {NULL, 0, 0};
  png_shim_result result = png_shim_no_memory;
  if (info) result = encode(png, info, &into, rgb, width, height, compression_level, texts, text_count);
  png_destroy_write_struct(&png, &info);
  if (result == png_shim_ok) {
    *bytes = into.bytes;
    *count = into.count;
  } else {
    free(into.bytes);
  }
  return result;
}

void png_shim_free(uint8_t *bytes) { free(bytes); }
