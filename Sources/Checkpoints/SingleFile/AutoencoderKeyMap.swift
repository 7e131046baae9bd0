/// Translates the names of an autoencoder's tensors from CompVis' layout to diffusers'.
struct AutoencoderKeyMap {
  /// The decoder's levels. CompVis counts them from the largest feature map, diffusers from the smallest.
  private let levels: Int

  /// Reads how many levels there are.
  init(_ names: some Sequence<String>) {
    levels =
      1
      + (names.compactMap { name -> Int? in
        guard name.hasPrefix("decoder.up.") else { return nil }
        return Int(name.dropFirst("decoder.up.".count).prefix { $0 != "." })
      }.max() ?? -1)
  }

  /// diffusers' name of a tensor; nil if no autoencoder has such a tensor.
  func diffusers(_ name: String) -> String? {
    if name.hasPrefix("quant_conv.") || name.hasPrefix("post_quant_conv.") { return name }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard parts.count >= 3, ["encoder", "decoder"].contains(parts[0]) else { return nil }
    let rest = parts.dropFirst().joined(separator: ".")
    for (from, to) in KeyTable.autoencoder where rest.hasPrefix(from + ".") {
      let inside = String(rest.dropFirst(from.count + 1))
      let table =
        from.contains("attn") ? KeyTable.autoencoderAttention : KeyTable.autoencoderResidual
      return "\(parts[0]).\(to).\(Self.replaced(inside, by: table))"
    }
    // down.I.block.J.…, down.I.downsample.conv.…, and the same with up.
    let direction = parts[0] == "encoder" ? "down" : "up"
    guard parts.count >= 5, parts[1] == direction, let level = Int(parts[2]), level < levels else {
      return nil
    }
    let number = direction == "up" ? levels - 1 - level : level
    let scope = "\(parts[0]).\(direction)_blocks.\(number)"
    let inside = parts.dropFirst(4).joined(separator: ".")
    switch parts[3] {
    case "block":
      let layer = parts.dropFirst(5).joined(separator: ".")
      return "\(scope).resnets.\(parts[4]).\(Self.replaced(layer, by: KeyTable.autoencoderResidual))"
    case "downsample", "upsample": return "\(scope).\(parts[3])rs.0.\(inside)"
    default: return nil
    }
  }

  private static func replaced(_ name: String, by table: [(String, String)]) -> String {
    for (from, to) in table where name.hasPrefix(from + ".") { return to + name.dropFirst(from.count) }
    return name
  }
}

extension AutoencoderKeyMap {
  /// The tensors of an autoencoder in CompVis' layout, under diffusers' names. Attention that is stored as 1×1
  /// convolutions becomes matrices.
  /// - Throws: `unmatchedKeys` with the tensors that belong nowhere.
  static func views(_ tensors: [String: StoredTensor], path: String) throws -> [String: StoredTensor] {
    let map = AutoencoderKeyMap(tensors.keys)
    var views: [String: StoredTensor] = [:]
    var strange: [String] = []
    // Left over from training.
    for (name, stored) in tensors where !name.hasPrefix("loss.") && !name.hasPrefix("model_ema.") {
      guard let known = map.diffusers(name) else {
        strange.append(name)
        continue
      }
      var view = stored
      if known.contains(".attentions."), stored.shape.count == 4, stored.shape[2...] == [1, 1] {
        view = stored.reshaped([stored.shape[0], stored.shape[1]]) ?? stored
      }
      views[known] = view.renamed(known)
    }
    guard strange.isEmpty else { throw CheckpointError.unmatchedKeys(path: path, keys: strange.sorted()) }
    return views
  }
}
