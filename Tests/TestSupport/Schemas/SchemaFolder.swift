import Foundation

/// JSON schemas that refer to each other: the part of draft 2020-12 that those in `docs/schemas` use. A keyword that is
/// not known here is an error, so that none is passed over in silence.
///
///     let schemas = try SchemaFolder(at: Places.inRepository("docs/schemas"))
///     #expect(schemas.judge(try JSONNode(outcome.output), by: "segmoectl-list").faults == [])
package struct SchemaFolder: Sendable {
  let documents: [String: JSONNode]

  /// What is wrong with a schema.
  package struct Mistake: Error, Equatable, CustomStringConvertible {
    /// `job.json#/properties/id`
    package let place: String
    /// What it is, in words.
    package let what: String

    package var description: String { "\(place): \(what)" }
  }

  /// Takes schemas and checks them.
  /// - Parameter texts: the schemas by the names of their files, with the ending.
  /// - Throws: `DecodingError`, `Mistake`
  package init(_ texts: [String: String]) throws {
    documents = try texts.mapValues { try JSONNode($0) }
    for name in documents.keys.sorted() { try check(SchemaPlace(document: name)) }
  }

  /// Reads all schemas of a folder.
  /// - Throws: `Mistake`, or what the file system says.
  package init(at path: String) throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: path).filter { $0.hasSuffix(".json") }
    try self.init(
      Dictionary(
        uniqueKeysWithValues: files.map { ($0, try String(contentsOfFile: "\(path)/\($0)", encoding: .utf8)) }
      ))
  }

  /// The names of the files, without the ending.
  package var names: [String] { documents.keys.map { String($0.dropLast(".json".count)) }.sorted() }

  /// What stands at a place; nil if nothing is there.
  package func node(_ place: SchemaPlace) -> JSONNode? {
    place.path.reduce(documents[place.document]) { node, key in node?[key] }
  }

  /// The place that a reference names: `job.json`, `#/$defs/image` or both.
  func target(of reference: String, from place: SchemaPlace) -> SchemaPlace {
    let halves = reference.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false)
    let path = halves.count > 1 ? halves[1].split(separator: "/").map(String.init) : []
    return SchemaPlace(document: halves[0].isEmpty ? place.document : String(halves[0]), path: path)
  }

  private func check(_ place: SchemaPlace) throws {
    guard let schema = node(place)?.object else { throw Mistake(place: "\(place)", what: "is no schema") }
    for (name, rule) in schema.sorted(by: { $0.key < $1.key }) {
      guard let keyword = SchemaKeyword(rawValue: name) else {
        throw Mistake(place: "\(place)", what: "the keyword \(name) is not known")
      }
      guard keyword.takes(rule) else {
        throw Mistake(place: "\(place + name)", what: "is nothing that \(name) can have")
      }
      switch keyword {
      case .defs, .properties:
        for key in (rule.object ?? [:]).keys.sorted() { try check(place + name + key) }
      case .items: try check(place + name)
      case .additionalProperties where rule.object != nil: try check(place + name)
      case .anyOf: for index in (rule.list ?? []).indices { try check(place + name + "\(index)") }
      case .ref:
        guard let text = rule.string, node(target(of: text, from: place))?.object != nil else {
          throw Mistake(place: "\(place + name)", what: "names no schema")
        }
      case .required:
        let known = schema["properties"]?.object ?? [:]
        if let stray = (rule.list ?? []).compactMap(\.string).first(where: { known[$0] == nil }) {
          throw Mistake(place: "\(place + name)", what: "\(stray) is not described")
        }
      default: break
      }
    }
  }
}

/// A place in a schema: `job.json#/properties/id`.
package struct SchemaPlace: Hashable, Sendable, CustomStringConvertible {
  /// The file.
  package var document: String
  /// The keys on the way.
  package var path: [String]

  /// - Parameters:
  ///   - document: the file.
  ///   - path: the keys on the way; none: the whole schema.
  package init(document: String, path: [String] = []) {
    (self.document, self.path) = (document, path)
  }

  package var description: String { ([document + "#"] + path).joined(separator: "/") }

  static func + (place: SchemaPlace, key: String) -> SchemaPlace {
    SchemaPlace(document: place.document, path: place.path + [key])
  }
}
