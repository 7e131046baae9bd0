import Checkpoints

extension UNetConfiguration {
  /// Reads `mid_block_type`. null means that there is no middle block; without the key it is the usual one.
  static func middle(_ config: ConfigObject, depth: Int) throws -> Middle {
    guard config.has("mid_block_type") else { return .attention(depth: depth) }
    switch try config.stringIfPresent("mid_block_type") {
    case nil: return .none
    case "UNetMidBlock2DCrossAttn": return .attention(depth: depth)
    case "UNetMidBlock2D": return .residual
    case let other?:
      throw DiffusionError.unsupported(file: config.path, key: "mid_block_type", value: other)
    }
  }

  /// Reads `addition_embed_type`: nothing, or SDXL's `text_time`.
  /// - Parameter embedding: makes the embedding of a number, given its width.
  static func added(
    _ config: ConfigObject, embedding: (Int) -> SinusoidalEmbedding
  ) throws -> AddedConditioning? {
    guard let type = try config.stringIfPresent("addition_embed_type") else { return nil }
    guard type == "text_time" else {
      throw DiffusionError.unsupported(file: config.path, key: "addition_embed_type", value: type)
    }
    let added = AddedConditioning(
      size: embedding(try config.int("addition_time_embed_dim", in: 1...65536)),
      inputs: try config.int("projection_class_embeddings_input_dim", in: 1...1_000_000))
    guard added.pooledWidth > 0 else {
      throw config.error(
        "projection_class_embeddings_input_dim",
        "is \(added.inputs), too few for six sizes of \(added.size.width) and the pooled text")
    }
    return added
  }
}

/// `transformer_layers_per_block`: one number for all levels, a number per level, or a number per layer of each
/// level. The last is the form of Segmind's distilled SDXL models, which have another list for the way up.
struct TransformerDepths {
  private let config: ConfigObject
  private let down: [[Int]]
  private let up: [[Int]]
  /// The depth of the middle block.
  let middle: Int

  private static let key = "transformer_layers_per_block"
  private static let reverseKey = "reverse_transformer_layers_per_block"

  /// - Throws: `CheckpointError.badConfig` for lists of the wrong length, and for a nested list without the list for
  ///   the way up, which diffusers refuses too.
  init(_ config: ConfigObject, layers: [Int]) throws {
    self.config = config
    let entries = try Self.entries(config, Self.key, layers: layers) ?? layers.map { Entry(1, layers: $0) }
    let upLayers = layers.reversed().map { $0 + 1 }
    let reversed = try Self.entries(config, Self.reverseKey, layers: upLayers)
    if reversed == nil, entries.contains(where: \.isNested) {
      throw config.error(Self.reverseKey, "missing, though \(Self.key) holds lists")
    }
    down = entries.map(\.depths)
    up =
      try reversed?.map(\.depths)
      ?? zip(entries.reversed(), upLayers).map { entry, count in
        guard let depth = entry.depths.first else { throw config.error(Self.key, "holds an empty list") }
        return Array(repeating: depth, count: count)
      }
    middle = entries.last?.depths.first ?? 1
  }

  /// The depths of a level's layers on the way down, where level 0 has the largest feature map.
  func down(_ level: Int, layers: Int) throws -> [Int] { try first(layers, of: down[level], Self.key) }

  /// The depths of a level's layers on the way up, where level 0 has the smallest feature map.
  func up(_ index: Int, layers: Int) throws -> [Int] { try first(layers, of: up[index], Self.reverseKey) }

  private func first(_ layers: Int, of depths: [Int], _ key: String) throws -> [Int] {
    guard depths.count >= layers else {
      throw config.error(key, "holds \(depths) for \(layers) layers")
    }
    return Array(depths.prefix(layers))
  }

  private struct Entry {
    let depths: [Int]
    let isNested: Bool

    init(_ depth: Int, layers: Int) {
      depths = Array(repeating: depth, count: layers)
      isNested = false
    }

    init(_ depths: [Int]) {
      self.depths = depths
      isNested = true
    }
  }

  private static func entries(_ config: ConfigObject, _ key: String, layers: [Int]) throws -> [Entry]? {
    guard let value = config[key] else { return nil }
    func depth(_ value: JSONValue) throws -> Int {
      guard let depth = value.wholeNumber, (1...1000).contains(depth) else {
        throw config.error(key, "holds \(value), expected whole numbers from 1 to 1000")
      }
      return depth
    }
    guard case .array(let values) = value else {
      return try layers.map { Entry(try depth(value), layers: $0) }
    }
    guard values.count == layers.count else {
      throw config.error(key, "has \(values.count) entries, expected \(layers.count)")
    }
    return try zip(values, layers).map { value, count in
      guard case .array(let nested) = value else { return Entry(try depth(value), layers: count) }
      // The list of a level without attention may have any length, because nothing reads it.
      return Entry(try nested.map(depth))
    }
  }
}
