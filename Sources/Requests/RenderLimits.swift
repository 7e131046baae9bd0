/// What a request may ask for at most. Both command lines apply the defaults; a daemon's configuration may be stricter.
package struct RenderLimits: Sendable, Equatable {
  /// Pixels, of width and of height.
  package var side = 16_384
  /// Denoising steps.
  package var steps = 1000
  /// Pictures of one prompt.
  package var count = 1000
  /// UTF-8 bytes of a prompt. A model reads 77 tokens at a time; this only keeps nonsense out.
  package var promptBytes = 65_536
  /// UTF-8 bytes of a path or a name.
  package var pathBytes = 4096
  /// LoRA files of one request.
  package var loras = 64
  /// Learned words of one request.
  package var embeddings = 64
  /// Distance of the guidance from 0.
  package var guidance = 1000.0

  /// The limits that hold everywhere.
  package init() {}
}
