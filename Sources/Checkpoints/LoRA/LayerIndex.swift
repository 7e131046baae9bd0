/// A network's weights and biases by layer. Experts are listed under the layer that they replaced.
struct LayerIndex {
  private var byName: [String: [AdapterLayer.Target]] = [:]
  private var byFlatName: [String: String] = [:]
  private var byCompVisName: [String: String] = [:]

  init(_ weights: Weights) {
    let map = UNetKeyMap(UNetLayout(diffusers: { weights.has($0) }))
    for (full, stored) in weights.tensors {
      guard let dot = full.lastIndex(of: "."), ["weight", "bias"].contains(full[full.index(after: dot)...])
      else {
        continue
      }
      let layer = Self.withoutExperts(String(full[..<dot]))
      byName[layer, default: []].append((full, stored.shape))
      byFlatName[layer.replacing(".", with: "_")] = layer
      // Only UNet layers have names in CompVis' layout.
      if let other = map.compVis(layer) {
        byCompVisName[other] = layer
        byCompVisName[other.replacing(".", with: "_")] = layer
      }
    }
  }

  /// The layer that an expert's layer belongs to: `attn1.to_q` for `attn1.to_q.experts.3`, and `ff.net.2` for
  /// `ff.experts.3.net.2`.
  private static func withoutExperts(_ layer: String) -> String {
    var parts = layer.split(separator: ".", omittingEmptySubsequences: false)
    if let place = parts.firstIndex(of: "experts"), place + 1 < parts.count, Int(parts[place + 1]) != nil {
      parts.removeSubrange(place...(place + 1))
    }
    return parts.joined(separator: ".")
  }

  /// A layer's weights and biases, found by any of its names; empty if there is no such layer.
  func targets(of layer: String, isFlat: Bool) -> [AdapterLayer.Target] {
    let prefix = isFlat ? "text_model_" : "text_model."
    // Some text encoders have this prefix and some do not, and so do LoRAs, independently.
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
