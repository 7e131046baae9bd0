import Checkpoints

/// Changes to a model's tensors as they are read, by full tensor name in each component.
package struct ModelPatches: Sendable {
  package var unet: [String: [any WeightPatch]] = [:]
  package var textEncoder: [String: [any WeightPatch]] = [:]
  /// Tells models with different patches apart; empty without any.
  package var suffix = ""

  package init() {}

  /// The changes that LoRA files make, all together.
  /// - Throws: `CheckpointError` for unreadable files and keys that fit nothing.
  package init(loras: [(path: String, weight: Float)], unet: Weights, textEncoder: Weights) throws {
    if let lora = loras.first {
      throw DiffusionError.unsupported(file: lora.path, key: "LoRA", value: "(fuse it first)")
    }
  }
}
