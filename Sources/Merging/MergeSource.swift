import Checkpoints
import Diffusion
import Experts

/// A model that goes into a merge, as base or expert, with its LoRAs fused as it is read.
struct MergeSource: Sendable {
  let folder: ModelFolder
  let shape: UNetConfiguration
  /// The UNet's tensors, LoRAs applied.
  let weights: Weights
  private let loras: [LoRASetting]

  /// - Throws: what reading the model or a LoRA throws, `MergeError.unsupported` for a source that
  ///   is itself a mixture.
  init(_ source: Recipe.Source, loras: [Recipe.LoRA]) throws {
    folder = try ModelFolder(path: source.path)
    shape = try UNetConfiguration(folder.config(for: "unet"))
    guard shape.mixture == nil else {
      throw MergeError.unsupported(what: "a source that is a mixture already (\(source.written))")
    }
    self.loras = loras.map { LoRASetting(path: $0.source.path, weight: Float($0.weight)) }
    weights = try ModelWeights(folder, loras: self.loras).unet
  }

  /// The whole model, loaded for rendering.
  func model() throws -> DiffusionModel {
    try DiffusionModel(folder: folder, cache: ExpertCache(budget: 0), loras: loras)
  }
}
