import Boundary
import Glibc

/// A model in diffusers' layout: `model_index.json` and a folder for each component.
package struct ModelFolder: ModelFiles {
  /// The folder.
  package let path: String
  /// `model_index.json` as parsed.
  package let index: ConfigObject
  /// The pipeline's class: `StableDiffusionPipeline`. Empty if the index names none.
  package let pipelineClass: String
  /// The class of each component that the model has: `["unet": "UNet2DConditionModel", …]`.
  package let componentClasses: [String: String]
  private let preference: WeightPreference

  /// Reads and checks `model_index.json`. Weights are looked at when asked for.
  /// - Parameters:
  ///   - path: the path of the folder.
  ///   - preference: which weights are read where a component has several.
  /// - Throws: `missingFile`, `malformed`, `badConfig`; `pickled` for a folder of pickles instead.
  package init(path: String, preferring preference: WeightPreference = .full) throws {
    self.preference = preference
    self.path = path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    // An old checkpoint may have been downloaded as a folder.
    if !Self.isModel(path: self.path) { try PickledFile.refuse(in: self.path) }
    index = try ConfigObject(
      contentsOf: self.path + "/model_index.json", purpose: "the index of a model in diffusers' layout")
    // Of a pipeline with code of its own, the class follows the name of that code.
    if case .array(let parts) = index["_class_name"], case .string(let name) = parts.last {
      pipelineClass = name
    } else {
      pipelineClass = try index.stringIfPresent("_class_name") ?? ""
    }
    var classes: [String: String] = [:]
    for (name, value) in index.values where !name.hasPrefix("_") {
      // Other values are settings of the pipeline; [null, null] says that the component is left out.
      guard case .array(let pair) = value, pair.count == 2, case .string(let className) = pair[1] else {
        continue
      }
      guard ComponentFolder.isPlainName(name) else { throw index.error(name, "not the name of a folder") }
      classes[name] = className
    }
    componentClasses = classes
  }

  /// Whether `path` looks like such a folder.
  package static func isModel(path: String) -> Bool { Confinement.models.has(path + "/model_index.json") }

  /// Whether the model has that component.
  package func has(_ component: String) -> Bool { componentClasses[component] != nil }

  /// The folder of a component.
  /// - Throws: `missingFile`.
  package func component(_ name: String) throws -> ComponentFolder {
    try ComponentFolder(path: path + "/" + name, preferring: preference)
  }

  /// The configuration of a component: `config.json`, or `scheduler_config.json`.
  package func config(for name: String) throws -> ConfigObject { try component(name).config() }

  /// The weights of a component.
  /// - Throws: what `ComponentFolder.weights` throws.
  package func weights(for name: String) throws -> Weights { try component(name).weights() }

  /// The tokenizer's own folder.
  /// - Throws: `missingFile`.
  package func tokenizer(_ component: String) throws -> TokenizerSource {
    .folder(try self.component(component))
  }
}
