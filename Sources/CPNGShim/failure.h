// How libpng's errors get out: copied into a buffer, then a jump back to the function that called libpng.
#ifndef PNG_SHIM_FAILURE_H
#define PNG_SHIM_FAILURE_H

#include <png.h>
#include <setjmp.h>
#include <stdio.h>

#include "png_shim.h"

/// Keeps the message where libpng's error pointer says, then jumps.
static inline void png_shim_fail(png_structp png, png_const_charp text) {
  char *message = png_get_error_ptr(png);
  if (message) snprintf(message, png_shim_message_size, "%s", text ? text : "unknown error");
  png_longjmp(png, 1);
}

/// Warnings are about oddities (a wrong checksum of an optional chunk) that cost the image nothing.
static inline void png_shim_ignore(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

#endif
