/// What a model is, as far as it decides which settings change something. nil: nobody knows yet.
package struct ModelTraits: Sendable, Equatable {
  /// Whether it is of SDXL.
  package var isXL: Bool?
  /// Whether the guidance is an input of its UNet (consistency models), so that no row without the prompt runs.
  package var takesGuidance: Bool?
  /// How many times smaller than the latents, along an edge, the largest maps with self attention are: 1, 2, 4, ….
  package var attentionShrinks: Int?

  package init(isXL: Bool? = nil, takesGuidance: Bool? = nil, attentionShrinks: Int? = nil) {
    self.isXL = isXL
    self.takesGuidance = takesGuidance
    self.attentionShrinks = attentionShrinks
  }
}
