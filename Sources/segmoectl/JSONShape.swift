/// The members that values of a type have in JSON. Their names are known without a value, so that `--format` can be
/// checked before there is a row.
struct JSONShape<Subject>: Sendable {
  /// One of them.
  struct Member: Sendable {
    let name: String
    /// What is below it.
    let fields: JSONFields
    let value: @Sendable (Subject) -> JSONText
  }

  let members: [Member]

  /// - Parameter members: in the order in which they are printed.
  init(_ members: [Member]) { self.members = members }

  func json(_ subject: Subject) -> JSONText { .object(members.map { ($0.name, $0.value(subject)) }) }

  var fields: JSONFields { .object(members.map { ($0.name, $0.fields) }) }

  /// The same members, of something that such a value is a part of.
  func members<Whole>(of part: @escaping @Sendable (Whole) -> Subject) -> [JSONShape<Whole>.Member] {
    members.map { member in
      .init(name: member.name, fields: member.fields) { member.value(part($0)) }
    }
  }
}

/// What is below a member.
indirect enum JSONFields: Sendable {
  /// Nothing: it is a text, a number, true or false.
  case value
  case list(JSONFields)
  case object([(name: String, fields: JSONFields)])
}

extension JSONShape.Member {
  static func value(_ name: String, _ value: @escaping @Sendable (Subject) -> JSONText) -> Self {
    Self(name: name, fields: .value, value: value)
  }

  static func texts(_ name: String, _ texts: @escaping @Sendable (Subject) -> [String]) -> Self {
    Self(name: name, fields: .list(.value)) { .array(texts($0).map(JSONText.string)) }
  }

  static func list<Part>(
    _ name: String, _ shape: JSONShape<Part>, _ parts: @escaping @Sendable (Subject) -> [Part]
  ) -> Self {
    Self(name: name, fields: .list(shape.fields)) { .array(parts($0).map(shape.json)) }
  }

  /// A part that may be missing; then it is null.
  static func object<Part>(
    _ name: String, _ shape: JSONShape<Part>, _ part: @escaping @Sendable (Subject) -> Part?
  ) -> Self {
    Self(name: name, fields: shape.fields) { part($0).map(shape.json) ?? .null }
  }
}
