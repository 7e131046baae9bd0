/// A text encoder's tensors under transformers' names, from either layout that single files hold.
enum TextKeyMap {
  /// From transformers' layout, with or without `text_model.` before every name. The positions, which old versions
  /// saved as a row of whole numbers, are left out.
  static func transformers(_ tensors: [String: StoredTensor]) -> [String: StoredTensor] {
    var views: [String: StoredTensor] = [:]
    for (name, stored) in tensors where !name.hasSuffix("position_ids") && name != "logit_scale" {
      // stable-diffusion.cpp keeps the projection as a bare parameter. That multiplies from the right.
      if name == "text_model.text_projection", let view = stored.transposed {
        views["text_projection.weight"] = view.renamed("text_projection.weight")
        continue
      }
      let isWhole = name.hasPrefix("text_model.") || name.hasPrefix("text_projection.")
      let known = isWhole ? name : "text_model." + name
      views[known] = stored.renamed(known)
    }
    return views
  }

  /// From OpenCLIP's layout. There, query, key and value are rows of one tensor, and the projection is stored
  /// transposed.
  /// - Parameter layers: how many layers are used. SD2 leaves out the last one.
  /// - Throws: `unmatchedKeys`, and `malformed` for fused tensors that cannot be split in three.
  static func openCLIP(
    _ tensors: [String: StoredTensor], layers: Int, withProjection: Bool, path: String
  ) throws -> [String: StoredTensor] {
    var views: [String: StoredTensor] = [:]
    var strange: [String] = []
    func add(_ name: String, _ stored: StoredTensor) { views[name] = stored.renamed(name) }
    let once = Dictionary(uniqueKeysWithValues: KeyTable.openCLIP)
    for (name, stored) in tensors {
      if let known = once[name] {
        add(known, stored)
      } else if name == "text_projection" || name == "text_projection.weight" {
        guard withProjection else { continue }
        // As a bare parameter it multiplies from the right. As a layer it is stored like every layer.
        guard let view = name.hasSuffix(".weight") ? stored : stored.transposed else {
          throw CheckpointError.malformed(path: path, reason: "\(name) is no matrix")
        }
        add("text_projection.weight", view)
      } else if name == "logit_scale" || name == "attn_mask" {
        continue
      } else if let (layer, part) = split(name) {
        guard layer < layers else { continue }
        let scope = "text_model.encoder.layers.\(layer)"
        if part.hasPrefix("attn.in_proj_") {
          for (known, view) in try parts(of: stored, part: part, path: path) {
            add("\(scope).self_attn.\(known)", view)
          }
        } else if let (from, to) = KeyTable.openCLIPLayer.first(where: { part.hasPrefix($0.0 + ".") }) {
          add("\(scope).\(to)\(part.dropFirst(from.count))", stored)
        } else {
          strange.append(name)
        }
      } else {
        strange.append(name)
      }
    }
    guard strange.isEmpty else { throw CheckpointError.unmatchedKeys(path: path, keys: strange.sorted()) }
    return views
  }

  /// `transformer.resblocks.7.ln_1.bias` is layer 7 and `ln_1.bias`.
  private static func split(_ name: String) -> (layer: Int, part: String)? {
    let prefix = "transformer.resblocks."
    guard name.hasPrefix(prefix) else { return nil }
    let rest = name.dropFirst(prefix.count)
    guard let dot = rest.firstIndex(of: "."), let layer = Int(rest[..<dot]) else { return nil }
    return (layer, String(rest[rest.index(after: dot)...]))
  }

  private static func parts(
    of stored: StoredTensor, part: String, path: String
  ) throws -> [(String, StoredTensor)] {
    let height = stored.shape.first ?? 0
    let kind = part.dropFirst("attn.in_proj_".count)
    return try ["q_proj", "k_proj", "v_proj"].enumerated().map { index, name in
      let third = height / 3
      guard height > 0, height % 3 == 0, let view = stored.rows(index * third..<(index + 1) * third) else {
        throw CheckpointError.malformed(
          path: path, reason: "\(stored.name) of shape \(stored.shape) does not fall into three")
      }
      return ("\(name).\(kind)", view)
    }
  }
}
