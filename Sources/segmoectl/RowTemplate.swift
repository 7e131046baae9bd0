import ArgumentParser
import Boundary
import CommandLine

/// What `--format` makes of a row: text with members of the row's JSON in braces, `{id}\t{state}\t{images.path}`.
struct RowTemplate: Equatable {
  /// A piece of it.
  private enum Part: Equatable {
    case text(String)
    /// A member, and members of that.
    case field([String])
  }

  private let parts: [Part]

  /// - Throws: `ValidationError`. The argument parser adds the option and the value.
  init(_ text: String) throws {
    var parts: [Part] = []
    var literal = ""
    var rest = Substring(text)
    while let character = rest.popFirst() {
      switch character {
      case "\\": literal.append(try Self.escaped(rest.popFirst()))
      case "{":
        if !literal.isEmpty { parts.append(.text(literal)) }
        literal = ""
        parts.append(.field(try Self.field(&rest)))
      case "}": throw ValidationError("a } closes nothing; write \\} for a brace")
      default: literal.append(character)
      }
    }
    if !literal.isEmpty { parts.append(.text(literal)) }
    guard !parts.isEmpty else { throw ValidationError("it is empty; write members in braces, such as {id}") }
    self.parts = parts
  }

  private static func escaped(_ character: Character?) throws -> Character {
    switch character {
    case "t": return "\t"
    case "n": return "\n"
    case "\\", "{", "}": return character ?? "\\"
    default: throw ValidationError("use \\t, \\n, \\{, \\} or \\\\ behind a backslash")
    }
  }

  /// What is between the braces.
  private static func field(_ rest: inout Substring) throws -> [String] {
    guard let end = rest.firstIndex(of: "}") else {
      throw ValidationError("a { is never closed; write \\{ for a brace")
    }
    let name = rest[..<end]
    rest = rest[rest.index(after: end)...]
    guard !name.hasPrefix("{") else {
      throw ValidationError("members stand in single braces without a dot in front, such as {id}")
    }
    return name.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
  }

  /// Checks that rows have these members.
  /// - Throws: `Problem.usage` with the nearest.
  func check(_ fields: JSONFields) throws {
    for case .field(let path) in parts { try Self.check(path, in: fields) }
  }

  private static func check(_ path: [String], in fields: JSONFields) throws {
    var fields = fields
    for (index, name) in path.enumerated() {
      // A list is passed over, or an element of it is chosen.
      if case .list(let element) = fields {
        fields = element
        if Int(name).map({ $0 >= 0 }) == true { continue }
      }
      let whole = path.joined(separator: ".")
      guard case .object(let members) = fields else {
        let above = path[..<index].joined(separator: ".")
        throw Problem.usage("--format has {\(whole)}, but nothing is below {\(above)}: write {\(above)}")
      }
      guard let member = members.first(where: { $0.name == name }) else {
        let names = members.map(\.name)
        let near = Nearest.nearest(name, among: names).map { "did you mean '\($0)'? " } ?? ""
        let place = index == 0 ? "" : " below {\(path[..<index].joined(separator: "."))}"
        throw Problem.usage(
          "--format has {\(whole)}, but there is no '\(name)'\(place): \(near)there are \(names.joined(separator: ", "))"
        )
      }
      fields = member.fields
    }
  }

  /// The line for a row.
  func line(_ row: JSONText) -> String {
    parts.map { part in
      switch part {
      case .text(let text): text
      case .field(let path): row.cell(at: path[...])
      }
    }.joined()
  }
}

extension JSONText {
  /// What stands at a path: text without quotes, written so that it stays in its line; nothing for null; the values of a
  /// list with commas between them; JSON for an object, and for a list of objects.
  fileprivate func cell(at path: ArraySlice<String>) -> String {
    switch self {
    case .object(let members):
      guard let name = path.first else { return text }
      return members.first { $0.0 == name }?.1.cell(at: path.dropFirst()) ?? ""
    case .array(let elements):
      if let index = path.first.flatMap({ Int($0) }) {
        return elements.indices.contains(index) ? elements[index].cell(at: path.dropFirst()) : ""
      }
      if path.isEmpty, case .object? = elements.first { return text }
      return elements.map { $0.cell(at: path) }.filter { !$0.isEmpty }.joined(separator: ",")
    case .string(let text): return PlainText.line(text, limit: .max)
    case .written(let json):
      return json == "null" ? "" : PlainText.line(PromptLine.string(json) ?? json, limit: .max)
    case .null: return ""
    case .integer, .number, .bool: return text
    }
  }
}
