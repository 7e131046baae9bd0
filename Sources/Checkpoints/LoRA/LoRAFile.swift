import Boundary

/// A LoRA file: small changes to many layers. It may be written by PEFT, diffusers, kohya's trainer, LyCORIS,
/// SimpleTuner or OneTrainer (see `LoRAKey` and `AdapterFactor`).
///
/// The changes are fused when weights are read: `apply` returns weights that carry them.
package struct LoRAFile: Sendable {
  /// The path as given.
  package let path: String
  /// Learned words that the file brings along.
  package let words: [BundledWord]
  /// Notices for the user, one line each: for example that the file does not say how strong it is.
  package let notices: [String]
  private let file: SafetensorsFile
  private let layers: [Layer]
  private let settings: AdapterSettings

  private struct Layer: Sendable {
    let component: LoRAComponent
    let name: String
    let isFlat: Bool
    var adapter: AdapterLayer
    var keys: [String]
  }

  /// Opens a file and groups its tensors by layer.
  /// - Throws: what `SafetensorsFile` throws, and `CheckpointError`: `unknownAdapter` for a family that cannot be
  ///   fused, `unmatchedKeys` for names of no known style, `malformed` for an empty file, `pickled`.
  package init(path: String) throws {
    try PickledFile.refuse(path)
    let file = try SafetensorsFile(path: path)
    let settings = try AdapterSettings(metadata: file.metadata, path: path)
    let unprefixed = try settings.component()
    var layers: [String: Layer] = [:]
    var strange: [String] = []
    for name in file.names where !BundledWord.isPart(name) {
      guard let key = LoRAKey(name, unprefixed: unprefixed), let stored = file[name] else {
        strange.append(name)
        continue
      }
      let place = "\(key.component.rawValue) \(key.layer)"
      var layer =
        layers[place]
        ?? Layer(
          component: key.component, name: key.layer, isFlat: key.isFlat,
          adapter: AdapterLayer(path: path, name: key.layer), keys: [])
      guard layer.adapter.factors.updateValue(stored, forKey: key.factor) == nil else {
        throw layer.adapter.fault("'\(key.factor.rawValue)' is there twice")
      }
      layer.keys.append(name)
      if key.isWrapped { layer.adapter.isOfPEFT = true }
      layers[place] = layer
    }
    strange += layers.values.filter { !$0.adapter.isAdapter }.flatMap(\.keys)
    guard strange.isEmpty else { throw UnknownAdapter.error(strange, path: path) }
    words = BundledWord.all(in: file)
    guard !layers.isEmpty || !words.isEmpty else {
      throw CheckpointError.malformed(path: path, reason: "holds no LoRA layer")
    }
    self.path = path
    self.file = file
    self.settings = settings
    self.layers = layers.values.sorted { ($0.component.rawValue, $0.name) < ($1.component.rawValue, $1.name) }
    let unsaid = try self.layers.filter { layer in
      try layer.adapter.needsAlpha && settings.layer(layer.name, of: layer.component).alpha == nil
    }
    notices =
      unsaid.isEmpty
      ? []
      : [
        "\(path): neither file nor metadata says alpha for \(unsaid.count) of \(layers.count) layers; "
          + "they count as alpha = rank (give --lora FILE:WEIGHT to change it)"
      ]
  }

  /// The safetensors file of a LoRA that is named by its file or its folder.
  /// - Throws: `pickled` for a folder that has the LoRA in pickled form only.
  package static func file(of path: String) throws -> String {
    for name in ["pytorch_lora_weights", "adapter_model"] {
      let inside = "\(path)/\(name).safetensors"
      if (try? FileReader(path: inside, purpose: "a LoRA")) != nil { return inside }
    }
    try PickledFile.refuse(in: path)
    return path
  }

  /// The path where PEFT keeps an adapter's settings: beside the file, or in the folder. The file may not exist.
  package static func settingsPath(of path: String) -> String { AdapterSettings.path(beside: path) }

  /// The settings outside the file. They are part of a model's identity, because other settings give other weights.
  package var settingsText: String { settings.textBeside }

  /// Adds the file's bytes to a digest, those of the very file that its factors are read from.
  /// - Throws: `CheckpointError.changed`, `unreadable`.
  package func add(to digest: inout Digest) throws { try file.add(to: &digest) }

  /// Bytes of memory that its factors take once it is applied. Whole differences stay in the file.
  package var memory: Int {
    layers.reduce(0) { sum, layer in
      layer.adapter.factors.reduce(sum) { $0 + $1.value.count * $1.key.bytesOfMemory }
    }
  }

  /// The networks it changes.
  package var components: Set<LoRAComponent> { Set(layers.map(\.component)) }

  /// The number of layers it changes.
  package var layerCount: Int { layers.count }

  /// The given networks' weights, changed by this LoRA with strength `weight`. In a SegMoE model, a layer that became
  /// experts is changed in every expert. UNet layers may have their names in CompVis' layout.
  ///
  /// - Throws: `CheckpointError.unmatchedKeys` with every key that matches no layer, including keys of networks that
  ///   were not given; `foreignAdapter` if it is told for which models it was made; `malformed`, and what reading
  ///   throws.
  package func apply(
    to networks: [LoRAComponent: Weights], weight: Float = 1
  ) throws -> [LoRAComponent: Weights] {
    var unmatched: [String] = []
    var patches: [LoRAComponent: [String: [any WeightPatch]]] = [:]
    let indexes = networks.mapValues(LayerIndex.init)
    for layer in layers {
      let targets = indexes[layer.component]?.targets(of: layer.name, isFlat: layer.isFlat) ?? []
      if targets.isEmpty { unmatched += layer.keys }
      guard unmatched.isEmpty else { continue }
      let settings = try settings.layer(layer.name, of: layer.component)
      for target in targets where layer.adapter.changes(target.name) {
        let found: [any WeightPatch]
        do {
          found = try layer.adapter.patches(for: target, strength: weight, settings: settings)
        } catch CheckpointError.wrongShape(let name, let path, let expected, let shape) {
          let origin = origin(beside: networks)
          throw CheckpointError.foreignAdapter(
            path: path, family: origin?.family ?? "a model of other widths",
            example: origin?.example ?? "\(name) has shape \(shape), this model's \(expected)")
        }
        patches[layer.component, default: [:]][target.name, default: []] += found
      }
      if layer.adapter.changesBias, !targets.contains(where: { $0.name.hasSuffix(".bias") }) {
        throw layer.adapter.fault("changes a bias, and the model's layer has none")
      }
    }
    guard unmatched.isEmpty else {
      throw UnknownAdapter.error(unmatched, path: path, origin: origin(beside: networks))
    }
    return networks.reduce(into: [:]) { result, network in
      result[network.key] = network.value.patched(patches[network.key] ?? [:])
    }
  }
}

extension LoRAFile {
  /// For which models it was made, if that is told and these networks are of another kind.
  private func origin(beside networks: [LoRAComponent: Weights]) -> AdapterOrigin? {
    let crossAttention = networks[.unet]?.tensors.first {
      $0.key.contains(".attn2.to_k.") && $0.key.hasSuffix(".weight") && $0.value.shape.count == 2
    }
    return AdapterOrigin(
      layers: layers.map { layer in
        (layer.name, layer.component, layer.adapter.factors[.down].flatMap { $0.shape.dropFirst().first })
      },
      metadata: file.metadata, contextWidth: crossAttention?.value.shape.last,
      hasSecondEncoder: networks[.textEncoder2] != nil)
  }
}
