/// A mapping whose keys have been checked. Values are looked up by key.
package struct YAMLMapping: Sendable, Equatable {
  /// What this mapping is, for messages.
  package let owner: String
  /// Where it begins.
  package let position: YAMLPosition
  /// Keys and values in the order of the file.
  package let entries: [YAMLEntry]

  init(owner: String, position: YAMLPosition, entries: [YAMLEntry]) {
    self.owner = owner
    self.position = position
    self.entries = entries
  }

  /// The value of a key; nil if the key is missing or its value is empty.
  package subscript(key: String) -> YAMLNode? {
    guard let node = entries.first(where: { $0.key == key })?.value, !node.isNull else { return nil }
    return node
  }

  /// Whether a key is there. Its value may be empty.
  package func has(_ key: String) -> Bool { entries.contains { $0.key == key } }

  /// The position of a key's value. If the key is missing, that of the mapping.
  package func position(of key: String) -> YAMLPosition {
    entries.first { $0.key == key }?.position ?? position
  }

  /// The value of a key that must be there and not empty.
  package func required(_ key: String) throws(YAMLError) -> YAMLNode {
    if let node = self[key] { return node }
    throw .missingKey(self.position(of: key), key: key, owner: owner)
  }

  /// Text that must be there.
  package func string(_ key: String) throws(YAMLError) -> String {
    try required(key).string("'\(key)'")
  }

  /// Text, or a default.
  package func string(_ key: String, default standard: String) throws(YAMLError) -> String {
    try self[key]?.string("'\(key)'") ?? standard
  }

  /// A whole number, or nil.
  package func int(
    _ key: String, in range: ClosedRange<Int> = Int.min...Int.max
  ) throws(YAMLError) -> Int? {
    try self[key]?.int("'\(key)'", in: range)
  }

  /// A number, or nil.
  package func double(_ key: String, in range: ClosedRange<Double>? = nil) throws(YAMLError) -> Double? {
    try self[key]?.double("'\(key)'", in: range)
  }

  /// Yes or no, or nil.
  package func bool(_ key: String) throws(YAMLError) -> Bool? {
    try self[key]?.bool("'\(key)'")
  }

  /// One of an enum's words, or nil.
  package func choice<Choice: RawRepresentable & CaseIterable>(
    _ key: String, of type: Choice.Type = Choice.self
  ) throws(YAMLError) -> Choice? where Choice.RawValue == String {
    try self[key]?.choice("'\(key)'", of: type)
  }

  /// The items of a list, none if the key is missing.
  package func sequence(_ key: String) throws(YAMLError) -> [YAMLNode] {
    try self[key]?.sequence("'\(key)'") ?? []
  }
}
