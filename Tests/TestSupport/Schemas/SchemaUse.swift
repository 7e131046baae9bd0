/// Which members of schemas were met in values.
package struct SchemaUse: Sendable {
  /// Members that an object had.
  private var seen: Set<SchemaPlace> = []
  /// Members that were more than null.
  private var valued: Set<SchemaPlace> = []
  /// Members that an object lacked.
  private var absent: Set<SchemaPlace> = []

  /// Nothing yet.
  package init() {}

  /// Adds what was met elsewhere.
  package mutating func add(_ other: SchemaUse) {
    seen.formUnion(other.seen)
    valued.formUnion(other.valued)
    absent.formUnion(other.absent)
  }

  mutating func note(_ member: SchemaPlace, _ value: JSONNode?) {
    guard let value else {
      absent.insert(member)
      return
    }
    seen.insert(member)
    if value != .null { valued.insert(member) }
  }

  /// What no value has shown of a member; nil if all was.
  func gap(_ member: SchemaPlace, isRequired: Bool) -> String? {
    if !seen.contains(member) { return "was never there" }
    if !valued.contains(member) { return "was never more than null" }
    if !isRequired, !absent.contains(member) { return "was always there, so it must be required" }
    return nil
  }
}

extension SchemaFolder {
  /// Members of a schema, and of those that it refers to, that values have not shown: one that no object had or that was
  /// null in all of them, and one that is not required although every object had it.
  /// - Parameters:
  ///   - name: the schema's name, without the ending.
  ///   - use: what values had.
  package func gaps(in name: String, _ use: SchemaUse) -> [String] {
    members(of: name).compactMap { member in
      use.gap(member.place, isRequired: member.isRequired).map { "\(member.place): \($0)" }
    }
  }

  /// Every member that a schema and those that it refers to describe, in order.
  /// - Parameter name: the schema's name, without the ending.
  package func members(of name: String) -> [(place: SchemaPlace, isRequired: Bool)] {
    var visited: Set<SchemaPlace> = []
    var found: [(place: SchemaPlace, isRequired: Bool)] = []
    func visit(_ place: SchemaPlace) {
      guard visited.insert(place).inserted, let schema = node(place)?.object else { return }
      let required = (schema["required"]?.list ?? []).compactMap(\.string)
      for key in (schema["properties"]?.object ?? [:]).keys.sorted() {
        let member = place + "properties" + key
        found.append((member, required.contains(key)))
        visit(member)
      }
      if let reference = schema["$ref"]?.string { visit(target(of: reference, from: place)) }
      for index in (schema["anyOf"]?.list ?? []).indices { visit(place + "anyOf" + "\(index)") }
      for key in ["items", "additionalProperties"] { visit(place + key) }
    }
    visit(SchemaPlace(document: name + ".json"))
    return found
  }

  /// What a member means; nil if nobody says it.
  package func description(of member: SchemaPlace) -> String? {
    guard let schema = node(member)?.object else { return nil }
    return schema["description"]?.string
      ?? schema["$ref"]?.string.flatMap { description(of: target(of: $0, from: member)) }
  }
}
