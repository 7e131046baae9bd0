/// A LoRA file: small changes to many layers, in the styles of PEFT, diffusers, kohya, LyCORIS, SimpleTuner and OneTrainer
/// (see `LoRAKey` and `AdapterFactor`). It is fused when weights are read: `apply` gives weights that carry the changes.
package struct LoRAFile: Sendable {
  /// The path as given.
  package let path: String
  /// Learned words that come with it.
  package let words: [BundledWord]
  /// What a person should know of it, one line each: that nothing says how strong it is, say.
  package let notices: [String]
  private let layers: [Layer]
  private let settings: AdapterSettings

  private struct Layer: Sendable {
    let component: LoRAComponent
    let name: String
    let isFlat: Bool
    var adapter: AdapterLayer
    var keys: [String]
  }

  /// Opens and sorts a file. Errors: those of `SafetensorsFile`; `unknownAdapter` for a family that cannot be fused;
  /// `unmatchedKeys` if a name is of no known style; `malformed` if it holds nothing at all; `pickled`.
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
      layers[place] = layer
    }
    strange += layers.values.filter { !$0.adapter.isWhole }.flatMap(\.keys)
    guard strange.isEmpty else { throw UnknownAdapter.error(strange, path: path) }
    words = BundledWord.all(in: file)
    guard !layers.isEmpty || !words.isEmpty else {
      throw CheckpointError.malformed(path: path, reason: "holds no LoRA layer")
    }
    self.path = path
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

  /// Where PEFT keeps what it says of an adapter, whether or not it does: beside the file, or in the folder.
  package static func settingsPath(of path: String) -> String { AdapterSettings.path(beside: path) }

  /// What settings outside the file say of it, so that weights made with others are told apart.
  package var settingsText: String { settings.textBeside }

  /// The networks it changes.
  package var components: Set<LoRAComponent> { Set(layers.map(\.component)) }

  /// The number of layers it changes.
  package var layerCount: Int { layers.count }

  /// The given networks' weights with this LoRA in them, `weight` times. In a SegMoE model a layer that
  /// became experts is changed in every expert. UNet layers may go by their names in CompVis' layout.
  ///
  /// Errors: `unmatchedKeys` with every key that fits no layer, also those of a network not given;
  /// `wrongShape`, `malformed`, and those of reading.
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
        let found = try layer.adapter.patches(for: target, strength: weight, settings: settings)
        patches[layer.component, default: [:]][target.name, default: []] += found
      }
      if layer.adapter.changesBias, !targets.contains(where: { $0.name.hasSuffix(".bias") }) {
        throw layer.adapter.fault("changes a bias, and the model's layer has none")
      }
    }
    guard unmatched.isEmpty else { throw UnknownAdapter.error(unmatched, path: path) }
    return networks.reduce(into: [:]) { result, network in
      result[network.key] = network.value.patched(patches[network.key] ?? [:])
    }
  }
}
