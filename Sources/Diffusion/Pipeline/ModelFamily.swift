import Checkpoints

/// Which of diffusers' pipelines a model is for.
package enum ModelFamily: String, Sendable {
  /// Stable Diffusion 1 and 2, and consistency models distilled from them.
  case sd
  /// Stable Diffusion XL.
  case xl = "sdxl"

  /// The default guidance of diffusers' pipeline.
  package var defaultGuidance: Double {
    switch self {
    case .sd: 7.5
    case .xl: 5
    }
  }

  /// Components of diffusers' pipelines that are not needed: safety filters, and encoders for picture adapters.
  private static let spare: Set = [
    "feature_extractor", "image_encoder", "image_processor", "safety_checker", "watermark",
  ]
  private static let needed: Set = ["scheduler", "text_encoder", "tokenizer", "unet", "vae"]
  private static let neededByXL: Set = ["text_encoder_2", "tokenizer_2"]

  /// Tells the family from the model's components. The class in its index is no help: it names the task that the
  /// model was saved for, and one model serves several tasks.
  /// - Throws: `DiffusionError.unsupported` for a component that this engine does not have, or a missing one.
  package init(_ folder: any ModelFiles) throws {
    self = folder.isXL ? .xl : .sd
    let known = Self.needed.union(self == .xl ? Self.neededByXL : []).union(Self.spare)
    for (name, value) in folder.index.values.sorted(by: { $0.key < $1.key }) {
      // Other values are settings of the pipeline; [null, null] means that the component is left out.
      guard case .array(let pair) = value, pair.count == 2, case .string(let className) = pair[1],
        !known.contains(name), !name.hasPrefix("_")
      else { continue }
      throw DiffusionError.unsupported(
        file: folder.index.path, key: name, value: "\(className) (of a \(folder.pipelineClass))")
    }
    if try folder.index.bool("requires_aesthetics_score", default: false) {
      throw DiffusionError.unsupported(
        file: folder.index.path, key: "requires_aesthetics_score", value: "true, as of the SDXL refiner,")
    }
    for name in Self.needed.union(self == .xl ? Self.neededByXL : []).sorted()
    where !folder.has(name) && name != "vae" {
      throw DiffusionError.unsupported(
        file: folder.index.path, key: name, value: "null (of a \(folder.pipelineClass))")
    }
  }
}
