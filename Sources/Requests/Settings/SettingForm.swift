/// A value of a column in the queue's database.
package enum StoredValue: Sendable, Equatable {
  case null
  case integer(Int64)
  case real(Double)
  case text(String)
}

/// How values of a type are written: as text on a command line, in a column of the queue, and (by `Codable`) in JSON.
package protocol SettingForm: Codable, Equatable, Sendable {
  /// What JSON must have, for messages: "a whole number".
  static var kind: String { get }
  /// Reads a value as a user types it; nil for a text that is no such value.
  init?(text: String)
  /// The value as a user would type it.
  var text: String { get }
  /// Reads a value from a column; nil for something that segmoe never stores.
  init?(stored: StoredValue)
  /// The value for the column.
  var stored: StoredValue { get }
}

extension SettingForm {
  /// Reads a value that JSON has as a text.
  /// - Throws: `DecodingError`
  init(textFrom decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    guard let value = Self(text: try container.decode(String.self)) else {
      throw DecodingError.dataCorruptedError(in: container, debugDescription: "no \(Self.self)")
    }
    self = value
  }
}

extension Int: SettingForm {
  package static var kind: String { "a whole number" }
  package init?(text: String) { self.init(text) }
  package var text: String { "\(self)" }
  package var stored: StoredValue { .integer(Int64(self)) }
  package init?(stored: StoredValue) {
    guard case .integer(let value) = stored else { return nil }
    self = Int(value)
  }
}

/// Stored as a signed number with the same 64 bits. SQLite shows numbers from 2⁶³ on as negative ones;
/// `printf('%llu', seed)` shows them as they are.
extension UInt64: SettingForm {
  package static var kind: String { "a whole number" }
  package init?(text: String) { self.init(text) }
  package var text: String { "\(self)" }
  package var stored: StoredValue { .integer(Int64(bitPattern: self)) }
  package init?(stored: StoredValue) {
    guard case .integer(let value) = stored else { return nil }
    self.init(bitPattern: value)
  }
}

extension Double: SettingForm {
  package static var kind: String { "a number" }
  package init?(text: String) { self.init(text) }
  package var text: String { "\(self)" }
  package var stored: StoredValue { .real(self) }
  package init?(stored: StoredValue) {
    switch stored {
    case .real(let value): self = value
    case .integer(let value): self = Double(value)
    case .null, .text: return nil
    }
  }
}

extension String: SettingForm {
  package static var kind: String { "text" }
  package init?(text: String) { self = text }
  package var text: String { self }
  package var stored: StoredValue { .text(self) }
  package init?(stored: StoredValue) {
    guard case .text(let value) = stored else { return nil }
    self = value
  }
}

extension Bool: SettingForm {
  package static var kind: String { "true or false" }
  package init?(text: String) { self.init(text) }
  package var text: String { "\(self)" }
  package var stored: StoredValue { .integer(self ? 1 : 0) }
  package init?(stored: StoredValue) {
    guard case .integer(let value) = stored, value == 0 || value == 1 else { return nil }
    self = value == 1
  }
}

/// nil is NULL in a column. There is no text for nil.
extension Optional: SettingForm where Wrapped: SettingForm {
  package static var kind: String { Wrapped.kind }
  package init?(text: String) {
    guard let value = Wrapped(text: text) else { return nil }
    self = .some(value)
  }
  package var text: String { self?.text ?? "" }
  package var stored: StoredValue { self?.stored ?? .null }
  package init?(stored: StoredValue) {
    if stored == .null {
      self = .none
      return
    }
    guard let value = Wrapped(stored: stored) else { return nil }
    self = .some(value)
  }
}

/// A word from a fixed list.
package protocol WordForm: SettingForm, CaseIterable, RawRepresentable where RawValue == String {}

extension WordForm {
  package static var kind: String { "text" }
  /// What is allowed, for messages.
  package static var rule: String { "use one of \(allCases.map(\.rawValue).joined(separator: ", "))" }
  package init?(text: String) { self.init(rawValue: text) }
  package var text: String { rawValue }
  package var stored: StoredValue { .text(rawValue) }
  package init?(stored: StoredValue) {
    guard case .text(let word) = stored else { return nil }
    self.init(rawValue: word)
  }
}

/// A value that is stored as text in JSON and in columns, such as "1024x768".
package protocol TextForm: SettingForm {}

extension TextForm {
  package static var kind: String { "text" }
  package var stored: StoredValue { .text(text) }
  package init?(stored: StoredValue) {
    guard case .text(let text) = stored else { return nil }
    self.init(text: text)
  }

  /// - Throws: `DecodingError`
  package init(from decoder: any Decoder) throws { try self.init(textFrom: decoder) }

  /// - Throws: `EncodingError`
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(text)
  }
}
