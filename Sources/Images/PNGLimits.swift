import CPNGShim

/// The limits of a PNG file. Anything beyond is refused before memory is taken for it.
package struct PNGLimits: Sendable, Equatable {
  /// The longest width or height.
  package var side: Int
  /// The most pixels. Each takes three bytes of memory.
  package var pixels: Int
  /// The largest file.
  package var fileBytes: Int
  /// The most text chunks that are kept. Further ones are skipped.
  package var textChunks: Int
  /// The largest unpacked text. A larger one is skipped.
  package var textBytes: Int

  /// Limits with room for any picture that a diffusion model could use.
  package init(
    side: Int = 16_384, pixels: Int = 1 << 26, fileBytes: Int = 1 << 28, textChunks: Int = 64,
    textBytes: Int = 1 << 22
  ) {
    self.side = side
    self.pixels = pixels
    self.fileBytes = fileBytes
    self.textChunks = textChunks
    self.textBytes = textBytes
  }

  /// The limits for libpng. It takes 0 for "no limit", so every value is at least 1.
  /// - Parameter pixelsOnly: whether texts and other extras are skipped.
  func shim(pixelsOnly: Bool) -> png_shim_limits {
    png_shim_limits(
      side: UInt32(clamping: max(1, side)), pixels: UInt64(clamping: max(1, pixels)),
      chunks: UInt32(clamping: max(1, textChunks)), chunk_bytes: max(1, textBytes),
      pixels_only: pixelsOnly ? 1 : 0)
  }
}
