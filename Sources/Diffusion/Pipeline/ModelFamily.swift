import Checkpoints

/// Which of diffusers' pipelines a model is for.
package enum ModelFamily: String, Sendable {
  /// Stable Diffusion 1 and 2, and consistency models distilled from them.
  case sd
  /// Stable Diffusion XL.
  case xl = "sdxl"

  /// The guidance of diffusers' pipeline when it is told none.
  package var defaultGuidance: Float {
    switch self {
    case .sd: 7.5
    case .xl: 5
    }
  }

  /// - Throws: `DiffusionError.unsupported` for a pipeline that this engine does not run.
  package init(_ folder: any ModelFiles) throws {
    switch folder.pipelineClass {
    case "StableDiffusionPipeline", "LatentConsistencyModelPipeline": self = .sd
    case "StableDiffusionXLPipeline": self = .xl
    default:
      throw DiffusionError.unsupported(
        file: folder.index.path, key: "_class_name", value: folder.pipelineClass)
    }
    // The refiner has the second encoder only, and is told an aesthetic score.
    if self == .xl, !folder.has("text_encoder") {
      throw DiffusionError.unsupported(file: folder.index.path, key: "text_encoder", value: "null")
    }
  }
}
