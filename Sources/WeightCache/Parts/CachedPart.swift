import Checkpoints
import Tensors

/// Where the parts of a network are kept: the cache, and the model's name in it.
package struct PartHome: Sendable {
  /// The model's name in the keys of its parts.
  package let model: String
  package let cache: PartCache

  package init(model: String, cache: PartCache) {
    self.model = model
    self.cache = cache
  }

  /// The home of one network of the model. Two networks may have parts of the same name.
  package subscript(network: String) -> PartHome { PartHome(model: model + "/" + network, cache: cache) }
}

/// A part of a network whose weights are in memory only as long as the cache keeps them. From the start its size is
/// known, and the names and shapes of its tensors have been checked.
package struct CachedPart<Part: Weighted>: Sendable {
  private let use: PartUse
  private let meta: Part
  private let cache: PartCache

  /// - Parameters:
  ///   - weights: the part's scope.
  ///   - name: tells parts of one scope apart.
  ///   - home: where the weights are kept.
  ///   - build: makes the part from its scope; run once now on meta tensors, and again at every load.
  /// - Throws: `CheckpointError` for missing or misshapen tensors, and what else `build` throws.
  package init(
    _ weights: Weights, part name: String? = nil, in home: PartHome,
    build: @escaping @Sendable (Weights) throws -> Part
  ) throws {
    let part = try build(weights.meta)
    meta = part
    cache = home.cache
    let path = name.map { "\(weights.name).\($0)" } ?? weights.name
    use = PartUse(key: PartKey(model: home.model, path: path), byteCount: part.byteCount) {
      try build(weights)
    }
  }

  /// Bytes that the weights take while they are here.
  package var byteCount: Int { use.byteCount }

  /// Lends the part to `body`.
  /// - Throws: what reading the part throws, and what `body` throws.
  package func callAsFunction<Result>(_ pass: ForwardPass, _ body: (Part) throws -> Result) throws -> Result {
    if let plan = pass.plan {
      plan.note(use)
      return try body(meta)
    }
    defer { pass.place?.letOthersUse() }
    return try cache.withPart(use, as: Part.self, ledger: pass.ledger, body)
  }
}
