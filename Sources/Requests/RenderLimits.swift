/// The largest values that a request may have. Both command lines use the defaults. A daemon's configuration may be
/// stricter.
package struct RenderLimits: Sendable, Equatable {
  /// Pixels, of width and of height.
  package var side = 16_384
  /// Denoising steps.
  package var steps = 1000
  /// Pictures of one prompt.
  package var count = 1000
  /// UTF-8 bytes of a prompt: far more than any real one.
  package var promptBytes = 65_536
  /// UTF-8 bytes of a path or a name.
  var pathBytes = 4096
  /// LoRA files of one request.
  package var loras = 64
  /// Learned words of one request.
  package var embeddings = 64
  /// Absolute value of the guidance.
  package var guidance = 1000.0

  /// The default limits.
  package init() {}
}
