import Diffusion
import Experts

/// The tensors of a UNet that a merge replaces by mixtures.
struct CoveredLayers: Sendable, Equatable {
  /// Which layers of a transformer block, and which blocks.
  let configuration: MixtureConfiguration

  init(_ configuration: MixtureConfiguration) {
    self.configuration = configuration
  }

  /// The blocks that the reference covers in a UNet of `levels` levels: SD leaves out the lowest
  /// level, SDXL the highest. The middle block is never covered.
  static func blocks(_ family: Recipe.Family, levels: Int) -> (down: Range<Int>, up: Range<Int>) {
    switch family {
    case .sd: (0..<levels - 1, 1..<levels)
    case .sdxl: (1..<levels, 0..<levels - 1)
    }
  }

  /// The covered layer that a tensor belongs to, and the tensor's name within it:
  /// `…ff.net.2.bias` is (`…ff`, `net.2.bias`). nil for a tensor that stays dense.
  func split(_ tensor: String) -> (layer: String, rest: String)? {
    let parts = tensor.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    // down_blocks.I.attentions.J.transformer_blocks.K.<layer>.<rest>
    guard parts.count > 7, parts[2] == "attentions", parts[4] == "transformer_blocks",
      let block = Int(parts[1])
    else { return nil }
    switch parts[0] {
    case "down_blocks": guard configuration.downBlocks.contains(block) else { return nil }
    case "up_blocks": guard configuration.upBlocks.contains(block) else { return nil }
    default: return nil
    }
    let length: Int
    switch (parts[6], parts[7]) {
    case ("ff", _) where configuration.layers != .attention: length = 7
    case ("attn1", "to_q"), ("attn1", "to_k"), ("attn1", "to_v"), ("attn2", "to_q"), ("attn2", "to_k"),
      ("attn2", "to_v"):
      guard configuration.layers != .feedForward else { return nil }
      length = 8
    default: return nil
    }
    guard parts.count > length else { return nil }
    return (parts[..<length].joined(separator: "."), parts[length...].joined(separator: "."))
  }

  /// All covered layers among `tensors`, sorted.
  func layers(of tensors: [String]) -> [String] {
    Set(tensors.compactMap { split($0)?.layer }).sorted()
  }
}
