import Requests

extension DiffusionModel {
  /// What decides which settings change something.
  package var traits: ModelTraits {
    ModelTraits(
      isXL: family == .xl, takesGuidance: unet.configuration.guidanceWidth != nil,
      attentionShrinks: unet.configuration.attentionShrinks)
  }
}

extension UNetConfiguration {
  /// How many times smaller than the latents, along an edge, the largest maps with attention are; nil without attention.
  var attentionShrinks: Int? {
    let attends = zip(down, up.reversed()).map { !$0.depths.isEmpty || !$1.depths.isEmpty }
    if let level = attends.firstIndex(of: true) { return 1 << level }
    guard case .attention = middle else { return nil }
    return 1 << (attends.count - 1)
  }
}
