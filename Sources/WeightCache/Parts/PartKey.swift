/// Which part of which model: what the cache files packed weights under. A part is what a forward pass
/// needs at one time: an expert, a residual block, a projection.
package struct PartKey: Hashable, Sendable, CustomStringConvertible {
  /// Identifies the loaded weights; two models that are the same files share it.
  package let model: String
  /// The part's place, such as `down_blocks.0.attentions.0.transformer_blocks.0.ff.experts.2`.
  package let path: String

  package init(model: String, path: String) {
    self.model = model
    self.path = path
  }

  /// The path without the number of an expert and what follows.
  var layer: Substring {
    path.firstRange(of: ".experts.").map { path[..<$0.lowerBound] } ?? path[...]
  }

  /// The first digits of the model's digest, the component and the path.
  package var description: String {
    let component = model.firstIndex(of: "/").map { model[$0...] } ?? ""
    return "\(model.prefix { $0 != "/" }.prefix(12))\(component):\(path)"
  }
}

/// A part that will be needed, how large it is and how to get it.
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
