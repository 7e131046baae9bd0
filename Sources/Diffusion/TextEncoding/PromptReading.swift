/// How a request's prompts are read.
package struct PromptReading: Sendable, Equatable {
  /// Whether prompts are plain text, as diffusers takes them: no weights, no breaks, cut at 77 tokens.
  package var isPlain: Bool
  /// How many of the text encoder's last layers are left out for the prompt, beyond those that the model leaves
  /// out itself: diffusers' `clip_skip` (AUTOMATIC1111's "Clip skip" is one more). Like diffusers, the negative
  /// prompt always gets all layers.
  package var clipSkip: Int
  /// Words that the prompts may use.
  package var embeddings: [TextualInversion]

  /// By default weights and breaks are read and nothing is left out.
  package init(isPlain: Bool = false, clipSkip: Int = 0, embeddings: [TextualInversion] = []) {
    self.isPlain = isPlain
    self.clipSkip = clipSkip
    self.embeddings = embeddings
  }
}
