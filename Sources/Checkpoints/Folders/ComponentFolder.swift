import Boundary

/// Which weights are read where a folder has several of one component.
package enum WeightPreference: Sendable {
  /// Those in full precision, as diffusers does it; a variant where there is nothing else.
  case full
  /// The variant in half precision, as the reference merges from (`variant="fp16"`); others where there is none.
  case half

  var variants: [String] {
    switch self {
    case .full: ["", ".fp16", ".bf16"]
    case .half: [".fp16", "", ".bf16"]
    }
  }
}

/// The folder of one component of a model (`unet`, `vae`…): its configuration and its weight files.
package struct ComponentFolder: Sendable {
  /// The folder.
  package let path: String
  private let preference: WeightPreference

  /// A folder that must exist.
  /// - Parameters:
  ///   - path: the path of the folder.
  ///   - preference: which weights are read where there are several.
  /// - Throws: `missingFile`, `outside`, `unreadable`.
  package init(path: String, preferring preference: WeightPreference = .full) throws {
    let purpose = "a folder of a model's component"
    let found = try CheckpointError.naming(path, purpose) { () throws(OpenFailure) in
      try Confinement.models.look(path)
    }
    guard found.isFolder else { throw CheckpointError.missingFile(path: path, purpose: purpose) }
    self.path = path
    self.preference = preference
  }

  /// The path of a file in the folder.
  package func path(of file: String) -> String { path + "/" + file }

  /// Whether the folder has that file.
  package func has(_ file: String) -> Bool { Confinement.models.has(path(of: file)) }

  /// The names of all files in the folder except hidden ones, in no order. Empty if the folder cannot be read.
  /// - Throws: `CheckpointError.exhausted`
  func fileNames() throws -> [String] {
    do throws(OpenFailure) {
      return try Confinement.models.names(in: path).filter { !$0.hasPrefix(".") }
    } catch {
      if error.isShortage {
        throw CheckpointError(error, path: path, purpose: "a folder of a model's component")
      }
      return []
    }
  }

  /// The component's configuration, under the first of the names that diffusers and transformers use.
  /// - Throws: `missingFile`, `malformed`.
  package func config() throws -> ConfigObject {
    let file = Self.configNames.first(where: has) ?? "config.json"
    return try ConfigObject(contentsOf: path(of: file), purpose: "the component's configuration")
  }

  private static let configNames = ["config.json", "scheduler_config.json", "preprocessor_config.json"]

  /// The component's weights, from one file or from all shards.
  /// - Throws: `missingFile`, `pickled`, `malformed`, and what opening throws.
  package func weights() throws -> Weights {
    let names = try weightFileNames()
    if names[0].hasSuffix(".gguf") {
      let file = try GGUFFile(path: path(of: names[0]))
      return Weights(tensors: try GGUFNames.component(file), path: file.path)
    }
    return try Weights(
      files: names.map { try SafetensorsFile(path: path(of: $0)) },
      path: names.count == 1 ? path(of: names[0]) : path)
  }

  /// The files that `weights` reads.
  package func weightFileNames() throws -> [String] {
    for stem in ["diffusion_pytorch_model", "model"] {
      for variant in preference.variants {
        // Both orders of variant and index are in use: older and newer diffusers.
        let indexes =
          variant.isEmpty
          ? ["\(stem).safetensors.index.json"]
          : ["\(stem).safetensors.index\(variant).json", "\(stem)\(variant).safetensors.index.json"]
        if let index = indexes.first(where: has) { return try shards(index: index) }
        let single = "\(stem)\(variant).safetensors"
        if has(single) { return [single] }
      }
    }
    // There is no agreed name for these. Several files are the same weights in several types.
    let packed = try fileNames().filter { $0.hasSuffix(".gguf") }.sorted()
    if packed.count == 1 { return packed }
    if packed.count > 1 {
      throw CheckpointError.unreadable(
        path: path,
        reason: "holds \(packed.count) GGUF files (\(packed[0]), \(packed[1])…): leave the one to be used")
    }
    try PickledFile.refuse(in: path)
    throw CheckpointError.missingFile(
      path: path(of: "diffusion_pytorch_model.safetensors"), purpose: "the component's weights")
  }

  /// The shards that an index names. All must be there and hold the tensors that the index says.
  private func shards(index: String) throws -> [String] {
    let config = try ConfigObject(contentsOf: path(of: index), purpose: "the index of the weights")
    guard let map = try config.objectIfPresent("weight_map") else {
      throw config.error("weight_map", "missing")
    }
    var namesByShard: [String: Set<String>] = [:]
    for name in map.values.keys {
      let shard = try map.string(name)
      guard Self.isPlainName(shard), shard.hasSuffix(".safetensors") else {
        throw map.error(name, "'\(shard)' is not the name of a .safetensors file in this folder")
      }
      namesByShard[shard, default: []].insert(name)
    }
    for (shard, names) in namesByShard {
      let held = try SafetensorsFile(path: path(of: shard)).storedNames
      if let lost = names.subtracting(held).min() {
        throw CheckpointError.missingTensor(name: lost, path: path(of: shard))
      }
      if let stray = held.subtracting(names).min() {
        throw map.error(stray, "is in \(shard), but the index does not say so")
      }
    }
    guard !namesByShard.isEmpty else { throw config.error("weight_map", "names no weights") }
    return namesByShard.keys.sorted()
  }

  /// A file name that cannot lead out of the folder.
  static func isPlainName(_ name: String) -> Bool {
    !name.isEmpty && !name.hasPrefix(".") && !name.utf8.contains { $0 == UInt8(ascii: "/") || $0 == 0 }
  }
}
