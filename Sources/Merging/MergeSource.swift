import Checkpoints
import Diffusion
import Experts

/// A model that goes into a merge, as base or expert, with its LoRAs fused as it is read.
struct MergeSource: Sendable {
  /// A folder or a single file.
  let files: any ModelFiles
  let shape: UNetConfiguration
  /// The UNet's tensors, LoRAs applied.
  let weights: Weights
  private let loras: [LoRASetting]

  /// - Throws: what reading the model or a LoRA throws, `MergeError.unsupported` for a source that
  ///   is itself a mixture, or of another family than the recipe says.
  init(_ source: Recipe.Source, loras: [Recipe.LoRA], family: Recipe.Family) throws {
    files = try ModelPath(source.path).open()
    let own = files.pipelineClass.hasPrefix("StableDiffusionXL") ? Recipe.Family.sdxl : .sd
    guard own == family else {
      throw MergeError.unsupported(
        what:
          "a source of type \(own.rawValue) in a recipe of type \(family.rawValue) (write 'type: \(own.rawValue)')"
      )
    }
    shape = try UNetConfiguration(files.config(for: "unet"))
    guard shape.mixture == nil else {
      throw MergeError.unsupported(what: "a source that is a mixture already (\(source.written))")
    }
    self.loras = loras.map { LoRASetting(path: $0.source.path, weight: Float($0.weight)) }
    weights = try ModelWeights(files, loras: self.loras).unet
  }

  /// The whole model, loaded for rendering.
  /// - Parameter vae: taken if the source has none.
  func model(vae: String) throws -> DiffusionModel {
    var replacement: String?
    do { _ = try files.weights(for: "vae") } catch CheckpointError.missingVAE { replacement = vae }
    return try DiffusionModel(
      folder: files, vae: replacement, cache: ExpertCache(budget: 0), loras: loras)
  }
}
