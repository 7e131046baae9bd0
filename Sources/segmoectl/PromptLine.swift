import Foundation
import JobStore

/// A line of JSON with one prompt and settings of its own.
struct PromptLine: Decodable {
  let prompt: String
  let overrides: SettingsOverrides

  /// - Throws: `Problem.badInput`, without the place.
  static func parse(_ line: String) throws -> PromptLine {
    do {
      return try JSONDecoder().decode(PromptLine.self, from: Data(line.utf8))
    } catch let problem as Problem {
      throw problem
    } catch {
      throw Problem.badInput(
        "starts with { but is not JSON; mend it, or write a prompt with a brace as {\"prompt\": \"{…\"}")
    }
  }

  init(from decoder: any Decoder) throws {
    let fields = Fields(try decoder.container(keyedBy: Fields.Key.self))
    try fields.refuseUnknown()
    guard let prompt = try fields.text("prompt") else {
      throw Problem.badInput("has no \"prompt\"; every line of JSON needs one")
    }
    self.prompt = prompt
    var overrides = SettingsOverrides()
    overrides.model = try fields.text("model")
    overrides.negativePrompt = try fields.text("negative_prompt")
    overrides.width = try fields.whole("width")
    overrides.height = try fields.whole("height")
    overrides.steps = try fields.whole("steps")
    overrides.guidance = try fields.value("guidance", "a number")
    overrides.scheduler = try fields.word("scheduler")
    overrides.seed = try fields.whole("seed")
    overrides.count = try fields.whole("count")
    overrides.precision = try fields.word("precision")
    overrides.loras = try fields.loras()
    overrides.embeddings = try fields.embeddings()
    overrides.clipSkip = try fields.whole("clip_skip")
    overrides.isPlainPrompt = try fields.value("plain_prompt", "true or false")
    overrides.vae = try fields.text("vae")
    overrides.initImage = try fields.text("init_image")
    overrides.strength = try fields.value("strength", "a number")
    overrides.mask = try fields.text("mask")
    overrides.originalSize = try fields.pixels("original_size")
    overrides.crop = try fields.pixels("crop")
    overrides.targetSize = try fields.pixels("target_size")
    overrides.memoryBudget = try fields.size("memory_budget")
    overrides.priority = try fields.whole("priority")
    self.overrides = overrides
  }
}

/// The members of a JSON object, read with messages that a person understands. `null` is as good as absent.
private struct Fields {
  struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  static let known = [
    "prompt", "model", "negative_prompt", "width", "height", "steps", "guidance", "scheduler", "seed",
    "count", "precision", "loras", "vae", "embeddings", "clip_skip", "plain_prompt", "init_image", "strength",
    "mask", "original_size", "crop", "target_size", "memory_budget", "priority",
  ]

  private let container: KeyedDecodingContainer<Key>

  init(_ container: KeyedDecodingContainer<Key>) {
    self.container = container
  }

  func refuseUnknown() throws {
    let unknown = container.allKeys.map(\.stringValue).filter { !Self.known.contains($0) }.min()
    if let unknown {
      let known = Self.known.joined(separator: ", ")
      throw Problem.badInput("unknown key \"\(unknown)\"; known are \(known)")
    }
  }

  func value<Value: Decodable>(_ key: String, _ wanted: String) throws -> Value? {
    do {
      return try container.decodeIfPresent(Value.self, forKey: Key(stringValue: key))
    } catch {
      throw Problem.badInput("\"\(key)\" must be \(wanted)")
    }
  }

  func text(_ key: String) throws -> String? { try value(key, "text") }

  func whole<Value: FixedWidthInteger & Decodable>(_ key: String) throws -> Value? {
    try value(key, "a whole number")
  }

  func word<Value: RawRepresentable & CaseIterable>(_ key: String) throws -> Value?
  where Value.RawValue == String {
    guard let text = try text(key) else { return nil }
    guard let value = Value(rawValue: text) else {
      let known = Value.allCases.map(\.rawValue).joined(separator: ", ")
      throw Problem.badInput("\(key) '\(text)' is unknown; known are \(known)")
    }
    return value
  }

  /// "1024x768" or "0,64".
  func pixels<Value: PixelText>(_ key: String) throws -> Value? {
    guard let text = try text(key) else { return nil }
    guard let value = Value(text) else { throw Problem.badInput("\(key) is '\(text)': \(Value.rule)") }
    return value
  }

  /// A number of bytes, or text like "4GiB".
  func size(_ key: String) throws -> Int64? {
    if let number = try? container.decodeIfPresent(Int64.self, forKey: Key(stringValue: key)) {
      return number
    }
    guard let text = try text(key) else { return nil }
    do {
      return try bytes(fromSize: text)
    } catch let problem as Problem {
      throw Problem.badInput(problem.message)
    }
  }

  /// ["file:token", {"path": "file", "token": "token"}, …]
  func embeddings() throws -> [EmbeddingReference]? {
    let entries: [ListEntry<EmbeddingReference>]? = try value(
      "embeddings", "a list of \"file:token\" or {\"path\": …, \"token\": …}")
    return entries?.map { $0.value(EmbeddingReference.init(argument:)) }
  }

  /// ["file:0.8", {"path": "file", "weight": 0.8}, …]
  func loras() throws -> [LoRAReference]? {
    let entries: [ListEntry<LoRAReference>]? = try value(
      "loras", "a list of \"file:weight\" or {\"path\": …, \"weight\": …}")
    return entries?.map { $0.value(LoRAReference.init(argument:)) }
  }
}

/// An entry of a list that is written as on the command line, or as an object.
private enum ListEntry<Value: Decodable>: Decodable {
  case argument(String)
  case object(Value)

  init(from decoder: any Decoder) throws {
    if let text = try? decoder.singleValueContainer().decode(String.self) {
      self = .argument(text)
    } else {
      self = .object(try Value(from: decoder))
    }
  }

  func value(_ read: (String) -> Value) -> Value {
    switch self {
    case .argument(let text): read(text)
    case .object(let value): value
    }
  }
}
