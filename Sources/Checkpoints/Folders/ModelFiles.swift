import Boundary
import Glibc

/// The files of a model: a folder, or one file with everything. Components have diffusers' names: `unet`, `vae`,
/// `text_encoder`, `tokenizer`, `scheduler`…
package protocol ModelFiles: Sendable {
  /// The folder or file.
  var path: String { get }
  /// `model_index.json`, or what it would say for this model.
  var index: ConfigObject { get }
  /// The pipeline's class: `StableDiffusionPipeline`. Empty if the index names none.
  var pipelineClass: String { get }
  /// Whether the model has that component.
  func has(_ component: String) -> Bool
  /// The configuration of a component.
  /// - Throws: `missingFile`, `malformed`.
  func config(for component: String) throws -> ConfigObject
  /// The weights of a component under diffusers' names. Nothing is read yet.
  /// - Throws: `missingFile`, `pickled`, `malformed`, and errors of opening.
  func weights(for component: String) throws -> Weights
  /// Where a tokenizer's vocabulary is.
  /// - Throws: `missingFile`.
  func tokenizer(_ component: String) throws -> TokenizerSource
  /// The SHA-256 of everything that can change a picture, as 64 hexadecimal digits. It reads every byte, except of files
  /// that the memory knows.
  func digest(_ memory: DigestMemory?) throws -> String
}

extension ModelFiles {
  /// Whether it is a kind of Stable Diffusion XL: it has two text encoders.
  package var isXL: Bool { has("text_encoder_2") }

  /// The digest, computed.
  package func digest() throws -> String { try digest(nil) }
}

/// Where the vocabulary of a tokenizer comes from.
package enum TokenizerSource: Sendable {
  /// Files in a folder.
  case folder(ComponentFolder)
  /// CLIP's vocabulary, which is part of the program. `pad` is the padding token.
  case clip(pad: String)
}

/// A path that names a model: a folder in diffusers' layout, or a single safetensors file.
package struct ModelPath: Sendable {
  private let path: String

  package init(_ path: String) { self.path = path }

  /// The files behind the path.
  /// - Parameter preference: which weights are read where a folder has several of one component.
  /// - Throws: `missingFile`, `pickled`, `malformed`, `badConfig`.
  package func open(preferring preference: WeightPreference = .full) throws -> any ModelFiles {
    let found = try CheckpointError.naming(path, "a model folder or a .safetensors file") {
      () throws(OpenFailure) in try Confinement.models.look(path)
    }
    if found.isFolder { return try ModelFolder(path: path, preferring: preference) }
    return try CheckpointFile(path: path)
  }
}
