import Foundation
import Requests

/// A value that is bound to a parameter of a statement. Statements have no other way for values to come in.
enum ServerValue: Sendable {
  case integer(Int64?)
  case real(Double?)
  case text(String?)
  case flag(Bool)
  case bytes(Data)
  case integers([Int64])
  case texts([String])

  init(_ value: StoredValue) {
    switch value {
    case .null: self = .text(nil)
    case .integer(let number): self = .integer(number)
    case .real(let number): self = .real(number)
    case .text(let text): self = .text(text)
    }
  }

  /// A text in JSON, for a parameter of type jsonb.
  static func json(_ value: some Encodable) throws -> ServerValue {
    .text(String(decoding: try JSONEncoder().encode(value), as: UTF8.self))
  }

  /// As PostgreSQL reads it; nil: NULL.
  var text: String? {
    switch self {
    case .integer(let number): number.map { "\($0)" }
    case .real(let number): number.map { "\($0)" }
    case .text(let text): text
    case .flag(let flag): flag ? "1" : "0"
    case .bytes(let data): "\\x" + data.map { Self.hexadecimal[Int($0)] }.joined()
    case .integers(let numbers): "{\(numbers.map { "\($0)" }.joined(separator: ","))}"
    case .texts(let texts): "{\(texts.map(Self.quoted).joined(separator: ","))}"
    }
  }

  /// As `COPY` reads it in a line.
  var copied: String {
    guard let text else { return "\\N" }
    guard text.utf8.contains(where: { $0 == 0x5C || $0 < 0x20 }) else { return text }
    var line = String.UnicodeScalarView()
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": line.append(contentsOf: "\\\\".unicodeScalars)
      case "\n": line.append(contentsOf: "\\n".unicodeScalars)
      case "\r": line.append(contentsOf: "\\r".unicodeScalars)
      case "\t": line.append(contentsOf: "\\t".unicodeScalars)
      default: line.append(scalar)
      }
    }
    return String(line)
  }

  private static let hexadecimal = (0..<256).map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }

  /// A text as an element of an array.
  private static func quoted(_ text: String) -> String {
    let escaped = text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"")
    return "\"\(escaped)\""
  }
}
