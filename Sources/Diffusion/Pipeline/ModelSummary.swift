import Checkpoints

/// What a model is, as its configurations and the names and shapes of its weights tell it. No weights are read.
package struct ModelSummary: Sendable, Equatable {
  /// "sd", "sdxl", "segmoe-sd", "segmoe-sdxl".
  package let kind: String
  /// In words: "SD1.5 folder", "SDXL file", "SD2 GGUF file"; of a mixture "4x2, layers all".
  package let words: String

  /// The width of the text states of Stable Diffusion 2's text encoder; that of 1.5 has 768.
  private static let contextWidthOfSD2 = 1024

  /// - Throws: `CheckpointError`, `DiffusionError` for files that are missing or damaged, or of another kind of model.
  package init(_ files: any ModelFiles) throws {
    let family = try ModelFamily(files)
    let shape = try UNetConfiguration(files.config(for: "unet"))
    if let folder = files as? ModelFolder {
      for component in ["unet", "text_encoder", "vae"] where folder.has(component) {
        _ = try folder.component(component).weightFileNames()
      }
    }
    self.init(family, shape, path: files.path, isFile: files is CheckpointFile)
  }

  /// Of a model that is open.
  package init(_ model: DiffusionModel) {
    let isFile = [".safetensors", ".gguf"].contains(where: model.path.hasSuffix)
    self.init(model.family, model.unet.configuration, path: model.path, isFile: isFile)
  }

  private init(_ family: ModelFamily, _ shape: UNetConfiguration, path: String, isFile: Bool) {
    if let mixture = shape.mixture {
      kind = "segmoe-" + family.rawValue
      words = "\(mixture.experts)x\(mixture.expertsPerCall), layers \(mixture.layers.rawValue)"
      return
    }
    kind = family.rawValue
    let name =
      family == .xl ? "SDXL" : shape.contextWidth == Self.contextWidthOfSD2 ? "SD2" : "SD1.5"
    let form = !isFile ? "folder" : path.hasSuffix(".gguf") ? "GGUF file" : "file"
    words = "\(name) \(form)"
  }
}
