/// Settings of an adapter that are not tensors: from the file's metadata, or from PEFT's `adapter_config.json` beside
/// the file.
struct AdapterSettings: Sendable {
  /// All sources of settings. For each key, the first source that has it counts.
  private let sources: [Source]
  /// The text of `adapter_config.json`; empty if there is none.
  let textBeside: String

  /// One source. Its keys may begin with the network's name (`unet.lora_alpha`).
  private struct Source: Sendable {
    let config: ConfigObject
    /// The keys of the patterns in the order of the text, because the first match counts.
    let order: [String]
  }

  /// The settings of one layer.
  struct Layer: Sendable {
    let alpha: Double?
    /// The rank in the settings, for adapters whose tensors do not show it.
    let rank: Double?
    let isRankStabilized: Bool
    /// Whether it is a DoRA.
    let isDecomposed: Bool
    /// For PEFT's IA³: whether it scales the layer's inputs; nil if unknown.
    let isFeedForward: Bool?
    /// For PEFT's OFT: the number of terms if rotations are computed by a series; and their limit.
    let seriesTerms: Int?
    let largestAngle: Double?

    /// alpha / rank, or alpha / √rank for a "rank-stabilized" LoRA (Kalajdzievski, 2023).
    func scale(rank: Int) -> Float {
      guard let alpha else { return 1 }
      return Float(alpha / (isRankStabilized ? Double(rank).squareRoot() : Double(rank)))
    }
  }

  /// Keys under which trainers write alpha: those of diffusers' JSON, plain ones, kohya's.
  private static let alphaKeys = ["lora_alpha", "alpha", "network_alpha", "ss_network_alpha"]
  private static let rankKeys = ["r", "rank", "network_dim", "ss_network_dim"]
  /// PEFT's kinds of adapter that can be fused.
  private static let kinds: Set = ["LORA", "LOHA", "LOKR", "OFT", "BOFT", "IA3", "LN_TUNING"]
  private static let prefixes = LoRAComponent.allCases.map { $0.rawValue + "." }

  /// Reads the file's metadata and the configuration beside it.
  /// - Throws: `malformed`, `badConfig`; `unknownAdapter` for a kind that cannot be fused; what reading throws.
  init(metadata: [String: String], path: String) throws {
    var sources: [Source] = []
    if let text = metadata["lora_adapter_metadata"] {
      sources.append(try Self.source(Array(text.utf8), path: path, place: "lora_adapter_metadata."))
    }
    if let beside = try Self.configBeside(path) {
      let reader = try FileReader(path: beside, purpose: "an adapter's configuration")
      let text = try reader.text(limit: 16 << 20)
      textBeside = String(decoding: text, as: UTF8.self)
      sources.append(try Self.source(text, path: beside, place: ""))
    } else {
      textBeside = ""
    }
    let plain = metadata.compactMapValues { Double($0).flatMap { $0.isFinite ? JSONValue.number($0) : nil } }
    sources.append(Source(config: ConfigObject(path: path, values: plain), order: []))
    self.sources = sources
    for source in sources {
      guard let kind = try source.config.stringIfPresent("peft_type"), !Self.kinds.contains(kind) else {
        continue
      }
      throw CheckpointError.unknownAdapter(
        path: path, family: kind, example: "peft_type in \(source.config.path)")
    }
  }

  /// The network that the `adapter_config.json` is for; nil if it does not say.
  func component() throws -> LoRAComponent? {
    for source in sources {
      switch try source.config.objectIfPresent("auto_mapping")?.stringIfPresent("base_model_class") {
      case "UNet2DConditionModel": return .unet
      case "CLIPTextModel": return .textEncoder
      case "CLIPTextModelWithProjection": return .textEncoder2
      default: continue
      }
    }
    return nil
  }

  /// The settings of a layer.
  /// - Throws: `badConfig`.
  func layer(_ name: String, of component: LoRAComponent) throws -> Layer {
    func first<Value>(_ keys: [String], _ read: (ConfigObject, String) throws -> Value?) rethrows -> Value? {
      for source in sources {
        for key in keys {
          for spelling in [component.rawValue + "." + key, key] {
            if let value = try read(source.config, spelling) { return value }
          }
        }
      }
      return nil
    }
    let alpha =
      try pattern("alpha_pattern", name, component) ?? first(Self.alphaKeys) { try $0.doubleIfPresent($1) }
    let rank =
      try pattern("rank_pattern", name, component) ?? first(Self.rankKeys) { try $0.doubleIfPresent($1) }
    for (what, value) in [("alpha", alpha), ("rank", rank)] {
      if let value, !value.isFinite, let source = sources.first {
        throw source.config.error(what, "is \(value), expected a finite number")
      }
    }
    let isSeries = try first(["use_cayley_neumann"]) { try $0.boolIfPresent($1) } ?? true
    let terms = try first(["num_cayley_neumann_terms"]) { try $0.intIfPresent($1, in: 1...1000) } ?? 5
    let isConstrained = try first(["coft"]) { try $0.boolIfPresent($1) } ?? false
    let angle = try first(["eps"]) { try $0.doubleIfPresent($1) } ?? 6e-5
    return Layer(
      alpha: alpha, rank: rank,
      isRankStabilized: try first(["use_rslora"]) { try $0.boolIfPresent($1) } ?? false,
      isDecomposed: try first(["use_dora"]) { try $0.boolIfPresent($1) } ?? false,
      isFeedForward: try isFeedForward(name), seriesTerms: isSeries ? terms : nil,
      largestAngle: isConstrained ? angle : nil)
  }

  /// Whether `feedforward_modules` names the layer: as a list of name endings, or as a pattern for the whole name.
  private func isFeedForward(_ name: String) throws -> Bool? {
    let key = "feedforward_modules"
    for source in sources where source.config.has(key) {
      guard case .string(let pattern) = source.config[key] else {
        let ends = try source.config.stringsIfPresent(key) ?? []
        return ends.contains { name == $0 || name.hasSuffix("." + $0) }
      }
      do {
        return try NamePattern("^(" + pattern + ")").fits(name)
      } catch let fault as NamePattern.Fault {
        throw source.config.error(key, "is a pattern with \(fault.reason)")
      }
    }
    return nil
  }

  /// The value of the first pattern that matches the layer's name.
  private func pattern(_ key: String, _ name: String, _ component: LoRAComponent) throws -> Double? {
    for source in sources {
      for spelling in [component.rawValue + "." + key, key] {
        guard let patterns = try source.config.objectIfPresent(spelling) else { continue }
        let known = source.order.filter { patterns.has($0) }
        for text in known {
          do {
            if try NamePattern(text).fits(name) { return try patterns.double(text) }
          } catch let fault as NamePattern.Fault {
            throw patterns.error(text, "is a pattern with \(fault.reason)")
          }
        }
      }
    }
    return nil
  }
}

// MARK: - Files

extension AdapterSettings {
  /// The path of `adapter_config.json`: in the folder, or beside the file.
  static func path(beside path: String) -> String {
    guard path.hasSuffix(".safetensors") else { return path + "/adapter_config.json" }
    let split = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
    return path[..<split] + "adapter_config.json"
  }

  /// The path if the settings belong to this file: if PEFT named it, or if it is the only weight file in its folder.
  private static func configBeside(_ path: String) throws -> String? {
    let split = path.lastIndex(of: "/").map { path.index(after: $0) } ?? path.startIndex
    let folder = split == path.startIndex ? "./" : String(path[..<split])
    guard let component = try? ComponentFolder(path: String(folder.dropLast())),
      component.has("adapter_config.json")
    else { return nil }
    let weights = try component.fileNames().filter { $0.hasSuffix(".safetensors") }
    return path[split...].hasPrefix("adapter_model") || weights.count == 1 ? Self.path(beside: path) : nil
  }

  private static func source(_ text: [UInt8], path: String, place: String) throws -> Source {
    guard case .object(let values) = try JSONValue(parsing: text, path: path) else {
      throw CheckpointError.malformed(path: path, reason: "the adapter's settings are not an object")
    }
    return Source(
      config: ConfigObject(path: path, values: values, place: place), order: try order(text, path: path))
  }

  /// The keys of all patterns, in the order of the text.
  private static func order(_ text: [UInt8], path: String) throws -> [String] {
    var keys: [String] = []
    do {
      try text.withUnsafeBufferPointer { buffer in
        var scanner = JSONScanner(buffer)
        try scanner.object { scanner, key in
          guard key.hasSuffix("_pattern"), scanner.peek() == UInt8(ascii: "{") else {
            _ = try JSONValue(&scanner)
            return
          }
          try scanner.object { scanner, pattern in
            keys.append(pattern)
            _ = try JSONValue(&scanner)
          }
        }
      }
    } catch let fault as JSONFault {
      throw CheckpointError.malformed(path: path, reason: "JSON, byte \(fault.offset): \(fault.reason)")
    }
    return keys
  }
}
