/// A JSON object of a configuration file, with typed access. Every error names the file and the key.
///
/// A key whose value is `null` counts as absent, except in `has`. diffusers writes null for "not set".
package struct ConfigObject: Sendable {
  /// The file that the object is from.
  package let path: String
  /// The members as parsed.
  package let values: [String: JSONValue]
  /// Where the object is in the file: empty, or `segmoe_config.`.
  private let place: String

  /// Reads a file whose outermost value is an object.
  /// - Throws: `missingFile`, `unreadable`, `malformed`.
  package init(contentsOf path: String, purpose: String = "a configuration file") throws {
    let value = try JSONValue(contentsOf: path, purpose: purpose)
    guard case .object(let values) = value else {
      throw CheckpointError.malformed(path: path, reason: "holds \(value.kind), not an object")
    }
    self.init(path: path, values: values)
  }

  /// An object that is already in memory. Errors name `path`.
  package init(path: String, values: [String: JSONValue], place: String = "") {
    self.path = path
    self.values = values
    self.place = place
  }

  /// An error about a key, for checks that the caller makes.
  package func error(_ key: String, _ reason: String) -> CheckpointError {
    .badConfig(path: path, key: place + key, reason: reason)
  }

  /// Whether the key is there. Its value may be null.
  package func has(_ key: String) -> Bool { values[key] != nil }

  /// The value, or nil if it is absent or null.
  package subscript(key: String) -> JSONValue? {
    if let value = values[key], value != .null { value } else { nil }
  }

  private func required<T>(_ key: String, _ value: T?) throws -> T {
    guard let value else { throw error(key, "missing") }
    return value
  }

  private func mismatch(_ key: String, _ wanted: String, _ value: JSONValue) -> CheckpointError {
    error(key, "is \(value.kind), expected \(wanted)")
  }
}

// MARK: - Single values

extension ConfigObject {
  /// A whole number, or nil if absent. `range` bounds it.
  package func intIfPresent(_ key: String, in range: ClosedRange<Int> = Int.min...Int.max) throws -> Int? {
    guard let value = self[key] else { return nil }
    return try int(value, key, range)
  }

  /// A whole number that must be there.
  package func int(_ key: String, in range: ClosedRange<Int> = Int.min...Int.max) throws -> Int {
    try required(key, intIfPresent(key, in: range))
  }

  /// A whole number, or `fallback`.
  package func int(
    _ key: String, default fallback: Int, in range: ClosedRange<Int> = Int.min...Int.max
  ) throws -> Int {
    try intIfPresent(key, in: range) ?? fallback
  }

  private func int(_ value: JSONValue, _ key: String, _ range: ClosedRange<Int>) throws -> Int {
    let number: Int
    switch value {
    case .integer(let whole): number = whole
    case .number(let real): number = try exactly(real, key, value)
    default: throw mismatch(key, "a whole number", value)
    }
    guard range.contains(number) else { throw error(key, "is \(number), expected \(Self.text(range))") }
    return number
  }

  private func exactly(_ real: Double, _ key: String, _ value: JSONValue) throws -> Int {
    guard let whole = Int(exactly: real) else { throw mismatch(key, "a whole number", value) }
    return whole
  }

  private static func text(_ range: ClosedRange<Int>) -> String {
    if range.upperBound == Int.max { return "at least \(range.lowerBound)" }
    return "\(range.lowerBound) to \(range.upperBound)"
  }

  /// A number, or nil if absent. It may be infinite or NaN.
  package func doubleIfPresent(_ key: String) throws -> Double? {
    switch self[key] {
    case nil: nil
    case .integer(let value): Double(value)
    case .number(let value): value
    case let value?: throw mismatch(key, "a number", value)
    }
  }

  /// A number that must be there.
  package func double(_ key: String) throws -> Double { try required(key, doubleIfPresent(key)) }

  /// A number, or `fallback`.
  package func double(_ key: String, default fallback: Double) throws -> Double {
    try doubleIfPresent(key) ?? fallback
  }

  /// A number rounded to single precision, or `fallback`.
  package func float(_ key: String, default fallback: Float) throws -> Float {
    try doubleIfPresent(key).map { Float($0) } ?? fallback
  }

  /// A text, or nil if absent.
  package func stringIfPresent(_ key: String) throws -> String? {
    switch self[key] {
    case nil: nil
    case .string(let value): value
    case let value?: throw mismatch(key, "a text", value)
    }
  }

  /// A text that must be there.
  package func string(_ key: String) throws -> String { try required(key, stringIfPresent(key)) }

  /// A text, or `fallback`.
  package func string(_ key: String, default fallback: String) throws -> String {
    try stringIfPresent(key) ?? fallback
  }

  /// A truth value, or nil if absent.
  package func boolIfPresent(_ key: String) throws -> Bool? {
    switch self[key] {
    case nil: nil
    case .bool(let value): value
    case let value?: throw mismatch(key, "true or false", value)
    }
  }

  /// A truth value, or `fallback`.
  package func bool(_ key: String, default fallback: Bool) throws -> Bool {
    try boolIfPresent(key) ?? fallback
  }
}

// MARK: - Lists and objects

extension ConfigObject {
  private func list(_ key: String) throws -> [JSONValue]? {
    switch self[key] {
    case nil: nil
    case .array(let values): values
    case let value?: throw mismatch(key, "a list", value)
    }
  }

  /// Whole numbers, or nil if absent.
  package func intsIfPresent(_ key: String, in range: ClosedRange<Int> = Int.min...Int.max) throws -> [Int]? {
    try list(key)?.map { try int($0, key, range) }
  }

  /// Whole numbers that must be there.
  package func ints(_ key: String, in range: ClosedRange<Int> = Int.min...Int.max) throws -> [Int] {
    try required(key, intsIfPresent(key, in: range))
  }

  /// A list of `count` whole numbers, or one number that stands for all of them; nil if absent. diffusers writes
  /// `layers_per_block`, `attention_head_dim` and `transformer_layers_per_block` like this.
  func intOrIntsIfPresent(
    _ key: String, count: Int, in range: ClosedRange<Int> = Int.min...Int.max
  ) throws -> [Int]? {
    guard let value = self[key] else { return nil }
    guard case .array(let values) = value else {
      return Array(repeating: try int(value, key, range), count: count)
    }
    guard values.count == count else { throw error(key, "has \(values.count) entries, expected \(count)") }
    return try values.map { try int($0, key, range) }
  }

  /// The same as `intOrIntsIfPresent`, with a fallback for all numbers.
  package func intOrInts(
    _ key: String, count: Int, default fallback: Int, in range: ClosedRange<Int> = Int.min...Int.max
  ) throws -> [Int] {
    try intOrIntsIfPresent(key, count: count, in: range) ?? Array(repeating: fallback, count: count)
  }

  /// Numbers, or nil if absent.
  package func doublesIfPresent(_ key: String) throws -> [Double]? {
    try list(key)?.map { value in
      switch value {
      case .integer(let whole): Double(whole)
      case .number(let real): real
      default: throw mismatch(key, "a list of numbers", value)
      }
    }
  }

  /// Texts, or nil if absent.
  package func stringsIfPresent(_ key: String) throws -> [String]? {
    try list(key)?.map { value in
      guard case .string(let text) = value else { throw mismatch(key, "a list of texts", value) }
      return text
    }
  }

  /// Texts that must be there.
  package func strings(_ key: String) throws -> [String] { try required(key, stringsIfPresent(key)) }

  /// An object inside this one, or nil if absent.
  package func objectIfPresent(_ key: String) throws -> ConfigObject? {
    switch self[key] {
    case nil: nil
    case .object(let values): ConfigObject(path: path, values: values, place: place + key + ".")
    case let value?: throw mismatch(key, "an object", value)
    }
  }
}

// MARK: - Refusing

extension ConfigObject {
  /// Fails for a key that is not in `allowed`, because an unknown key may change what the model computes. Keys that
  /// begin with `_` are diffusers' notes and are allowed.
  package func refuseUnknown(allowed: Set<String>) throws {
    if let key = values.keys.filter({ !allowed.contains($0) && !$0.hasPrefix("_") }).min() {
      throw error(key, "unknown here, so this model may need what this engine does not have")
    }
  }

  /// Fails unless the key is absent, null, or one of `supported`.
  /// - Throws: `CheckpointError.badConfig`, naming file, key and value.
  package func refuse(_ key: String, unless supported: JSONValue...) throws {
    try refuse([(key, supported)])
  }

  /// The same for several keys. It fails for the first whose value is not allowed.
  /// - Throws: `CheckpointError.badConfig`, naming file, key and value.
  package func refuse(_ rules: [(key: String, allowed: [JSONValue])]) throws {
    for (key, allowed) in rules {
      guard let value = self[key], !allowed.contains(value) else { continue }
      throw error(key, "\(value) is not supported")
    }
  }
}
