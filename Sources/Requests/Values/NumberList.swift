/// Numbers with commas between them: `999,850,736`. In JSON also a list of numbers.
package struct NumberList<Number: SettingForm>: Equatable, Sendable {
  /// The numbers, at least one.
  package var numbers: [Number]

  /// A list of these numbers.
  package init(_ numbers: [Number]) { self.numbers = numbers }
}

extension NumberList: SettingForm {
  package static var kind: String { "a list of numbers" }

  package init?(text: String) {
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    let numbers = parts.compactMap { Number(text: String($0.drop { $0 == " " })) }
    guard numbers.count == parts.count else { return nil }
    self.numbers = numbers
  }

  package var text: String { numbers.map(\.text).joined(separator: ",") }
  package var stored: StoredValue { .text(text) }

  package init?(stored: StoredValue) {
    guard case .text(let text) = stored else { return nil }
    self.init(text: text)
  }

  /// Reads a list of numbers, or a text like `"999,850,736"`.
  /// - Throws: `DecodingError`
  package init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if (try? container.decode(String.self)) != nil {
      try self.init(textFrom: decoder)
    } else {
      self.init(try container.decode([Number].self))
    }
  }

  /// - Throws: `EncodingError`
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    try container.encode(numbers)
  }
}

extension NumberList where Number: Comparable {
  /// Whether each number is less than the one before.
  var isFalling: Bool { zip(numbers, numbers.dropFirst()).allSatisfy { $0 > $1 } }
}
