/// A LoRA file: small changes to many layers, in the styles of PEFT, diffusers, kohya and LyCORIS (see
/// `LoRAKey`). It is fused when weights are read: `apply` gives weights that carry the changes.
package struct LoRAFile: Sendable {
  /// The path as given.
  package let path: String
  private let layers: [Layer]
  private let metadata: ConfigObject?

  private struct Layer: Sendable {
    let component: LoRAComponent
    let name: String
    let isFlat: Bool
    var adapter: AdapterLayer
    var keys: [String]
  }

  /// Opens and sorts a file. Errors: those of `SafetensorsFile`; `unmatchedKeys` if a name is of no known
  /// style; `malformed` if it holds no layer at all; `pickled`.
  package init(path: String) throws {
    try PickledFile.refuse(path)
    let file = try SafetensorsFile(path: path)
    var layers: [String: Layer] = [:]
    var strange: [String] = []
    for name in file.names {
      guard let key = LoRAKey(name), let stored = file[name] else {
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
    guard strange.isEmpty else { throw CheckpointError.unmatchedKeys(path: path, keys: strange.sorted()) }
    guard !layers.isEmpty else { throw CheckpointError.malformed(path: path, reason: "holds no LoRA layer") }
    self.path = path
    self.layers = layers.values.sorted { ($0.component.rawValue, $0.name) < ($1.component.rawValue, $1.name) }
    metadata = try file.metadata["lora_adapter_metadata"].map { text in
      guard case .object(let values) = try JSONValue(parsing: Array(text.utf8), path: path) else {
        throw CheckpointError.malformed(path: path, reason: "lora_adapter_metadata is not an object")
      }
      return ConfigObject(path: path, values: values, place: "lora_adapter_metadata.")
    }
  }

  /// The networks it changes.
  package var components: Set<LoRAComponent> { Set(layers.map(\.component)) }

  /// The number of layers it changes.
  package var layerCount: Int { layers.count }

  /// The given networks' weights with this LoRA added, `weight` times. In a SegMoE model a layer that
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
      let places =
        indexes[layer.component]?.weights(of: layer.name, isFlat: layer.isFlat) ?? []
      if places.isEmpty { unmatched += layer.keys }
      guard unmatched.isEmpty else { continue }
      let alpha = try LoRAAlpha(metadata: metadata, component: layer.component, layer: layer.name)
      for (name, shape) in places {
        let delta = try layer.adapter.delta(for: shape, weightName: name, weight: weight, alpha: alpha)
        patches[layer.component, default: [:]][name, default: []].append(delta)
      }
    }
    guard unmatched.isEmpty else { throw CheckpointError.unmatchedKeys(path: path, keys: unmatched.sorted()) }
    return networks.reduce(into: [:]) { result, network in
      result[network.key] = network.value.patched(patches[network.key] ?? [:])
    }
  }
}

/// A network's weights by layer, experts under the layer they came from.
private struct LayerIndex {
  private var byName: [String: [(name: String, shape: [Int])]] = [:]
  private var byFlatName: [String: String] = [:]
  private var byCompVisName: [String: String] = [:]

  init(_ weights: Weights) {
    let map = UNetKeyMap(UNetLayout(diffusers: { weights.has($0) }))
    for (full, stored) in weights.tensors where full.hasSuffix(".weight") {
      guard stored.shape.count >= 2 else { continue }
      let layer = Self.withoutExperts(String(full.dropLast(".weight".count)))
      byName[layer, default: []].append((full, stored.shape))
      byFlatName[layer.replacing(".", with: "_")] = layer
      // A text encoder has no such layers, so the map knows no name of its.
      if let other = map.compVis(layer) {
        byCompVisName[other] = layer
        byCompVisName[other.replacing(".", with: "_")] = layer
      }
    }
  }

  /// `attn1.to_q.experts.3` and `ff.experts.3.net.2` are experts of `attn1.to_q` and `ff.net.2`.
  private static func withoutExperts(_ layer: String) -> String {
    var parts = layer.split(separator: ".", omittingEmptySubsequences: false)
    if let place = parts.firstIndex(of: "experts"), place + 1 < parts.count, Int(parts[place + 1]) != nil {
      parts.removeSubrange(place...(place + 1))
    }
    return parts.joined(separator: ".")
  }

  func weights(of layer: String, isFlat: Bool) -> [(name: String, shape: [Int])] {
    let prefix = isFlat ? "text_model_" : "text_model."
    // Text encoders come with and without this prefix, independently of their LoRAs.
    let spellings = [
      layer, prefix + layer, layer.hasPrefix(prefix) ? String(layer.dropFirst(prefix.count)) : layer,
    ]
    for spelling in spellings {
      let known = isFlat ? byFlatName[spelling] : spelling
      if let known, let found = byName[known] { return found }
    }
    return byCompVisName[layer].flatMap { byName[$0] } ?? []
  }
}
