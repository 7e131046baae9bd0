import Foundation

/// The alpha of layers that have no tensor for it: from the `lora_adapter_metadata` that diffusers
/// writes into a file, else alpha = rank, so that the factors' product counts as it is.
struct LoRAAlpha: Sendable {
  private let alpha: Double?
  private let isRankStabilized: Bool

  static let rank = LoRAAlpha(alpha: nil, isRankStabilized: false)

  /// alpha / rank, or alpha / √rank where the file asks for "rank-stabilized" LoRA.
  func scale(rank: Int) -> Float {
    guard let alpha else { return 1 }
    return Float(alpha / (isRankStabilized ? Double(rank).squareRoot() : Double(rank)))
  }

  private init(alpha: Double?, isRankStabilized: Bool) {
    self.alpha = alpha
    self.isRankStabilized = isRankStabilized
  }

  /// What the metadata says of one layer; keys are `unet.lora_alpha`, `unet.alpha_pattern`…
  /// Error: `badConfig`, also for DoRA, which is more than a sum.
  init(metadata: ConfigObject?, component: LoRAComponent, layer: String) throws {
    guard let metadata else {
      self = .rank
      return
    }
    let prefix = component.rawValue + "."
    if try metadata.bool(prefix + "use_dora", default: false) {
      throw metadata.error(
        prefix + "use_dora", "DoRA is not supported; fuse it into the model with PEFT first")
    }
    var alpha = try metadata.doubleIfPresent(prefix + "lora_alpha")
    if let patterns = try metadata.objectIfPresent(prefix + "alpha_pattern") {
      // PEFT matches whole parts at the end of the layer's name.
      let match = patterns.values.keys.sorted().first { layer == $0 || layer.hasSuffix("." + $0) }
      if let match { alpha = try patterns.double(match) }
    }
    self.init(alpha: alpha, isRankStabilized: try metadata.bool(prefix + "use_rslora", default: false))
  }
}
