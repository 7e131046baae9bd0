// libpng for Swift. libpng reports an error by longjmp, which must not cross Swift frames: every
// jump starts and lands inside one function of this file, and Swift sees a result and a message.
#ifndef PNG_SHIM_H
#define PNG_SHIM_H

#include <stddef.h>
#include <stdint.h>

/// Room for a message of libpng, its terminating zero included.
enum { png_shim_message_size = 192 };

/// What an image may cost before it is refused.
typedef struct {
  uint32_t side;       ///< longest width or height
  uint64_t pixels;     ///< largest width times height
  uint32_t chunks;     ///< most text chunks kept
  size_t chunk_bytes;  ///< largest single chunk, unpacked
  int pixels_only;     ///< texts, profiles and other extras are neither unpacked nor kept
} png_shim_limits;

/// What became of opening or reading an image.
typedef enum {
  png_shim_ok = 0,
  png_shim_damaged = 1,     ///< not a PNG, or a broken one; the message says how
  png_shim_too_large = 2,   ///< sound so far, but beyond the limits; width and height are set
  png_shim_no_memory = 3,
} png_shim_result;

/// A PNG that is being read from bytes, which must outlive it.
typedef struct png_shim_reader png_shim_reader;

/// Reads everything before the pixels. `*reader` is set unless memory ran out; close it whatever the result.
png_shim_result png_shim_open(
    const uint8_t *bytes, size_t count, png_shim_limits limits, png_shim_reader **reader);
uint32_t png_shim_width(const png_shim_reader *reader);
uint32_t png_shim_height(const png_shim_reader *reader);
/// Why the last call on this reader failed.
const char *png_shim_message(const png_shim_reader *reader);
/// Writes width * height * 3 bytes to `rgb` and reads the chunks behind the pixels.
png_shim_result png_shim_read_rgb(png_shim_reader *reader, uint8_t *rgb);

/// A text chunk. The pointers belong to whoever made them.
typedef struct {
  const char *keyword;  ///< Latin-1
  const char *text;
  size_t length;        ///< of `text`, in bytes
  int is_utf8;          ///< iTXt (UTF-8) or else tEXt (Latin-1)
} png_shim_text;

size_t png_shim_text_count(const png_shim_reader *reader);
png_shim_text png_shim_text_at(const png_shim_reader *reader, size_t index);
void png_shim_close(png_shim_reader *reader);

/// Encodes 8-bit RGB rows. On success `*bytes` holds `*count` bytes for png_shim_free; on failure
/// it is NULL and `message` (of png_shim_message_size) says why.
png_shim_result png_shim_encode(
    const uint8_t *rgb, uint32_t width, uint32_t height, int compression_level,
    const png_shim_text *texts, size_t text_count, uint8_t **bytes, size_t *count, char *message);
void png_shim_free(uint8_t *bytes);

#endif
