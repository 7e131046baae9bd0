import Configuration
import Foundation
import TestSupport

/// An object of Kubernetes in `deploy/kubernetes`: one in a file.
struct Manifest: Sendable {
  /// The file's path below that folder.
  let file: String
  /// What it says.
  let object: JSONNode

  /// Reads one.
  /// - Parameter file: its path below `deploy/kubernetes`.
  /// - Throws: `YAMLError`, `DecodingError`
  init(_ file: String) throws {
    let document = try YAMLDocument(reading: Places.inRepository("deploy/kubernetes/\(file)"))
    self.file = file
    object = try JSONNode(document.root.json)
  }

  /// All of them, by the names of their files.
  /// - Throws: `YAMLError`, `DecodingError`, or what the file system says.
  static func all() throws -> [Manifest] {
    try FileManager.default.subpathsOfDirectory(atPath: Places.inRepository("deploy/kubernetes"))
      .filter { $0.hasSuffix(".yaml") }.sorted().map { try Manifest($0) }
  }

  /// `StatefulSet` and so on; empty if it does not say.
  var kind: String { object["kind"]?.string ?? "" }

  /// The value at a path of keys and numbers, such as `spec/triggers/0/type`; nil if there is none.
  subscript(_ path: String) -> JSONNode? {
    path.split(separator: "/").reduce(object) { node, key in node?[String(key)] }
  }
}
