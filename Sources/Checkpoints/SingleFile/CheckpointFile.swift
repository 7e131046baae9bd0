import Boundary
import Glibc

/// A model in one safetensors or GGUF file, in CompVis' layout. Its components are views of the file under diffusers'
/// names, with the configurations that a folder would have. Nothing is converted in memory.
///
/// A file does not tell everything, for example the number of heads of unusual models. A companion folder beside it
/// (`NAME.config`, in diffusers' layout) can tell it, and takes precedence. If the file lacks components, as a file of
/// a UNet alone does, their weights come from the companion folder.
package struct CheckpointFile: ModelFiles {
  package let path: String
  package let kind: CheckpointKind
  package let index: ConfigObject
  /// Tensors by component, under diffusers' names.
  private let components: [String: [String: StoredTensor]]
  private let companion: ComponentFolder?

  /// Opens and sorts a file.
  /// - Throws: what opening throws, `unknownCheckpoint` if it is no known kind of checkpoint, and `unmatchedKeys` for
  ///   tensors that belong nowhere in their network.
  package init(path: String) throws {
    try PickledFile.refuse(path)
    let file = try TensorFiles.open(path)
    self.path = path
    let companionPath = Self.companionPath(of: path)
    companion = try? ComponentFolder(path: companionPath)
    let encoder = companion.flatMap { try? ComponentFolder(path: $0.path(of: "text_encoder")) }
    let hasEncoders = encoder.map { (try? $0.weightFileNames()) != nil } ?? false
    kind = try CheckpointKind(file, companionPath: companionPath, hasEncoders: hasEncoders)
    var parts: [String: [String: StoredTensor]] = [:]
    for (name, stored) in file is GGUFFile ? GGUFNames.checkpoint(file.tensors) : file.tensors {
      guard let (component, rest) = Self.split(name, kind) else { continue }
      parts[component, default: [:]][rest] = stored
    }
    components = try Self.views(parts, kind: kind, path: path)
    index = ConfigObject(
      path: path, values: KnownConfigurations.index(kind, hasVAE: components["vae"] != nil))
  }

  /// The path of the companion folder: `a/b.config` for `a/b.safetensors`.
  package static func companionPath(of path: String) -> String {
    let suffix = [".safetensors", ".gguf"].first(where: path.hasSuffix) ?? ""
    return path.dropLast(suffix.count) + ".config"
  }

  /// The component of a tensor, and the tensor's name in it; nil if no component needs it (EMA copies, the noise
  /// schedule, leftovers of training).
  private static func split(_ name: String, _ kind: CheckpointKind) -> (component: String, rest: String)? {
    var prefixes = [("unet", KeyTable.unetPrefix)]
    for encoder in CheckpointKind.textEncoders[kind.family] ?? [] {
      prefixes += [encoder.prefix, encoder.otherPrefix].compactMap { $0 }.map { (encoder.component, $0) }
    }
    prefixes += KeyTable.autoencoderPrefixes.map { ("vae", $0) }
    guard let (component, prefix) = prefixes.first(where: { name.hasPrefix($0.1) }) else { return nil }
    return (component, String(name.dropFirst(prefix.count)))
  }

  private static func views(
    _ parts: [String: [String: StoredTensor]], kind: CheckpointKind, path: String
  ) throws -> [String: [String: StoredTensor]] {
    var views: [String: [String: StoredTensor]] = [:]
    views["unet"] = try UNetKeyMap.views(parts["unet"] ?? [:], path: path)
    if let autoencoder = parts["vae"] { views["vae"] = try AutoencoderKeyMap.views(autoencoder, path: path) }
    for encoder in CheckpointKind.textEncoders[kind.family] ?? [] {
      let component = encoder.component
      guard let tensors = parts[component] else { continue }
      let isOther = encoder.otherPrefix != nil && tensors.keys.contains { $0.hasPrefix("text_model.") }
      switch isOther ? .transformers : encoder.layout {
      case .transformers: views[component] = TextKeyMap.transformers(tensors)
      case .openCLIP:
        let count = numbered(tensors.keys, "transformer.resblocks.")
        views[component] = try TextKeyMap.openCLIP(
          tensors, layers: kind.textLayers(count), withProjection: component == "text_encoder_2", path: path)
      }
    }
    return views
  }

  /// One more than the highest number that follows `prefix`.
  static func numbered(_ names: some Sequence<String>, _ prefix: String) -> Int {
    1
      + (names.compactMap { name in
        name.hasPrefix(prefix) ? Int(name.dropFirst(prefix.count).prefix { $0 != "." }) : nil
      }.max() ?? -1)
  }
}

// MARK: - As a model's files

extension CheckpointFile {
  package var pipelineClass: String { kind.pipelineClass }

  /// Whether models of this kind have that component. A VAE counts even if the file lacks it.
  package func has(_ component: String) -> Bool { index.values[component] != nil }

  /// The companion folder's configuration, or the one that follows from kind and shapes.
  /// - Throws: `badConfig` if the shapes do not tell enough; `missingVAE`.
  package func config(for component: String) throws -> ConfigObject {
    if let folder = companion(component), folder.has("config.json") || folder.has("scheduler_config.json") {
      return try folder.config()
    }
    if component == "scheduler" {
      return ConfigObject(path: "\(path) (scheduler)", values: KnownConfigurations.scheduler(kind))
    }
    let base =
      switch component {
      case "unet": KnownConfigurations.unet(kind)
      case "vae": KnownConfigurations.autoencoder(isXL: kind.family == .sdxl)
      default: KnownConfigurations.textEncoder(kind, component)
      }
    let shapes = DerivedConfiguration(
      weights: try weights(for: component), base: base, path: "\(path) (\(component))",
      companion: "\(Self.companionPath(of: path))/\(component)/config.json")
    switch component {
    case "unet": return try shapes.unet(headsAreEqual: kind.family == .sd1, pooledWidth: pooledWidth)
    case "vae": return try shapes.autoencoder()
    default: return try shapes.textEncoder()
    }
  }

  /// - Throws: `missingVAE` if the file has no VAE, `missingFile` for a component that such files never have.
  package func weights(for component: String) throws -> Weights {
    if let tensors = components[component] { return Weights(tensors: tensors, path: path) }
    if let folder = companion(component), (try? folder.weightFileNames()) != nil {
      return try folder.weights()
    }
    if component == "vae" { throw CheckpointError.missingVAE(path: path) }
    throw CheckpointError.missingFile(path: path, purpose: "the checkpoint's \(component)")
  }

  /// The companion folder's tokenizer, or CLIP's own with the padding of this kind.
  package func tokenizer(_ component: String) throws -> TokenizerSource {
    if let folder = companion(component) { return .folder(folder) }
    return .clip(pad: KnownConfigurations.padToken(kind, tokenizer: component))
  }

  /// A digest of every byte of the file and the companion folder.
  package func digest(_ memory: DigestMemory?) throws -> String {
    var hash = Digest()
    let reader = try FileReader(path: path, purpose: "the checkpoint")
    hash.add(Array("\(reader.size)\0".utf8))
    try hash.add(piecesOf: reader, memory)
    for component in index.values.keys.sorted() {
      guard let folder = companion(component) else { continue }
      let weights = components[component] == nil ? (try? folder.weightFileNames()) ?? [] : []
      for name in try (folder.textFiles() + weights).sorted() {
        let reader = try FileReader(path: folder.path(of: name), purpose: "a file of the model")
        hash.add(Array("\(component)/\(name)\0\(reader.size)\0".utf8))
        try hash.add(contentsOf: reader)
      }
    }
    return hash.hexadecimal()
  }

  private func companion(_ component: String) -> ComponentFolder? {
    companion.flatMap { try? ComponentFolder(path: $0.path(of: component)) }
  }

  /// The width of the pooled text state that SDXL adds to the time embedding; 0 for other kinds.
  private var pooledWidth: Int { components["text_encoder_2"]?["text_projection.weight"]?.shape.first ?? 0 }
}
