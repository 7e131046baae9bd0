#include <stdlib.h>
#include <string.h>

#include "failure.h"

struct png_shim_reader {
  png_structp png;
  png_infop info;
  png_infop end;
  const uint8_t *bytes;
  size_t count;
  size_t position;
  uint32_t width;
  uint32_t height;
  char message[png_shim_message_size];
};

static void take(png_structp png, png_bytep out, size_t length) {
  png_shim_reader *reader = png_get_io_ptr(png);
  if (length > reader->count - reader->position) png_error(png, "the data ends too early");
  memcpy(out, reader->bytes + reader->position, length);
  reader->position += length;
}

/// Whether every chunk up to the last lies within the data. libpng takes and clears memory of the
/// length that a chunk claims, up to 2 GiB, before it looks whether there are so many bytes.
static int is_whole(const uint8_t *bytes, size_t count) {
  size_t position = 8;
  while (count - position >= 12) {
    uint32_t length = png_get_uint_32(bytes + position);
    if (length > count - position - 12) return 0;
    if (memcmp(bytes + position + 4, "IEND", 4) == 0) return 1;
    position += (size_t)length + 12;
  }
  return 0;
}

png_shim_result png_shim_open(
    const uint8_t *bytes, size_t count, png_shim_limits limits, png_shim_reader **result) {
  png_shim_reader *reader = calloc(1, sizeof *reader);
  *result = reader;
  if (!reader) return png_shim_no_memory;
  reader->bytes = bytes;
  reader->count = count;
  if (count < 8 || png_sig_cmp(bytes, 0, 8) != 0) {
    snprintf(reader->message, sizeof reader->message, "it does not begin with the PNG signature");
    return png_shim_damaged;
  }
  if (!is_whole(bytes, count)) {
    snprintf(reader->message, sizeof reader->message, "the data ends too early");
    return png_shim_damaged;
  }
  reader->png = png_create_read_struct(
      PNG_LIBPNG_VER_STRING, reader->message, png_shim_fail, png_shim_ignore);
  if (!reader->png) return png_shim_no_memory;
  if (setjmp(png_jmpbuf(reader->png))) return png_shim_damaged;
  reader->info = png_create_info_struct(reader->png);
  reader->end = png_create_info_struct(reader->png);
  if (!reader->info || !reader->end) return png_shim_no_memory;
  png_set_read_fn(reader->png, reader, take);
  // libpng's own bound stays out of the way: ours is checked below and can name the size.
  png_set_user_limits(reader->png, 0x7fffffff, 0x7fffffff);
  png_set_chunk_cache_max(reader->png, limits.chunks);
  png_set_chunk_malloc_max(reader->png, limits.chunk_bytes);
  // -1 stands for every chunk that pixels do not need: each may unpack to many times its length.
  if (limits.pixels_only) png_set_keep_unknown_chunks(reader->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_read_info(reader->png, reader->info);
  reader->width = png_get_image_width(reader->png, reader->info);
  reader->height = png_get_image_height(reader->png, reader->info);
  if (reader->width > limits.side || reader->height > limits.side ||
      (uint64_t)reader->width * reader->height > limits.pixels)
    return png_shim_too_large;
  return png_shim_ok;
}

uint32_t png_shim_width(const png_shim_reader *reader) { return reader->width; }
uint32_t png_shim_height(const png_shim_reader *reader) { return reader->height; }
const char *png_shim_message(const png_shim_reader *reader) { return reader->message; }

/// A row of 16-bit gray, spread to RGB, to 8 bits: what does not fit is 255 (PIL's `I;16` to `RGB`).
static void clip_16(png_structp png, png_row_infop row, png_bytep data) {
  (void)png;
  for (size_t i = 0; i < (size_t)row->width * 3; i++) data[i] = data[2 * i] ? 255 : data[2 * i + 1];
}

png_shim_result png_shim_read_rgb(png_shim_reader *reader, uint8_t *rgb) {
  png_structp png = reader->png;
  size_t stride = (size_t)reader->width * 3;
  if (setjmp(png_jmpbuf(png))) return png_shim_damaged;
  // PIL's convert("RGB"): palette and gray spread to RGB, 16 bits cut to the upper 8 (of gray alone:
  // clipped), alpha dropped; no gamma, no colour profile.
  png_set_expand(png);
  if (png_get_color_type(png, reader->info) == PNG_COLOR_TYPE_GRAY &&
      png_get_bit_depth(png, reader->info) == 16) {
    png_set_read_user_transform_fn(png, clip_16);
    png_set_user_transform_info(png, NULL, 8, 3);
  } else {
    png_set_strip_16(png);
  }
  png_set_gray_to_rgb(png);
  png_set_strip_alpha(png);
  int passes = png_set_interlace_handling(png);
  png_read_update_info(png, reader->info);
  if (png_get_rowbytes(png, reader->info) != stride) png_error(png, "a pixel layout beyond RGB");
  for (int pass = 0; pass < passes; pass++)
    for (size_t row = 0; row < reader->height; row++) png_read_row(png, rgb + row * stride, NULL);
  png_read_end(png, reader->end);
  return png_shim_ok;
}

static png_textp texts(const png_shim_reader *reader, png_infop info, int *count) {
  png_textp found = NULL;
  *count = 0;
  if (reader->png && info) png_get_text(reader->png, info, &found, count);
  return found;
}

size_t png_shim_text_count(const png_shim_reader *reader) {
  int before, behind;
  texts(reader, reader->info, &before);
  texts(reader, reader->end, &behind);
  return (size_t)before + (size_t)behind;
}

png_shim_text png_shim_text_at(const png_shim_reader *reader, size_t index) {
  int count;
  png_textp found = texts(reader, reader->info, &count);
  if (index >= (size_t)count) {
    index -= (size_t)count;
    found = texts(reader, reader->end, &count);
  }
  png_shim_text text = {"", "", 0, 0};
  if (index >= (size_t)count) return text;
  text.is_utf8 = found[index].compression >= PNG_ITXT_COMPRESSION_NONE;
  if (found[index].key) text.keyword = found[index].key;
  if (found[index].text) text.text = found[index].text;
  text.length = text.is_utf8 ? found[index].itxt_length : found[index].text_length;
  return text;
}

void png_shim_close(png_shim_reader *reader) {
  if (!reader) return;
  if (reader->png) {
    png_destroy_info_struct(reader->png, &reader->end);
    png_destroy_read_struct(&reader->png, &reader->info, NULL);
  }
  free(reader);
}
