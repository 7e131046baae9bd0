/// Which part of which model: the cache's key. A part is what a forward pass needs at one time, such as an expert, a
/// projection, or half a residual block.
package struct PartKey: Hashable, Sendable, CustomStringConvertible {
  /// Identifies the loaded weights. Two models made of the same files have the same value.
  package let model: String
  /// The part's place, such as `down_blocks.0.attentions.0.transformer_blocks.0.ff.experts.2`.
  package let path: String

  package init(model: String, path: String) {
    self.model = model
    self.path = path
  }

  /// The path up to an expert's number.
  var layer: Substring {
    path.firstRange(of: ".experts.").map { path[..<$0.lowerBound] } ?? path[...]
  }

  /// The first digits of the model's digest, the component and the path.
  package var description: String {
    let component = model.firstIndex(of: "/").map { model[$0...] } ?? ""
    return "\(model.prefix { $0 != "/" }.prefix(12))\(component):\(path)"
  }
}

/// A use of a part: which one, its size, and how to read it.
package struct PartUse: Sendable {
  package let key: PartKey
  /// Bytes of packed weights.
  package let byteCount: Int
  let load: @Sendable () throws -> any Weighted

  package init(key: PartKey, byteCount: Int, load: @escaping @Sendable () throws -> any Weighted) {
    self.key = key
    self.byteCount = byteCount
    self.load = load
  }
}
