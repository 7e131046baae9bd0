import Boundary
import Foundation
import Requests

/// Names that persons give to what lies in a place: `names/NAME` holds a line with a name by its digest. As all else in a
/// place it is never changed.
extension SharedPlace {
  /// The largest text that is read.
  private static let mostOfALine = 4096

  /// Gives what lies there a name, unless it has it.
  /// - Throws: `SharedError`: `.taken` if something else has it.
  package func give(_ alias: SharedAlias, to target: SharedName) throws {
    if let found = try known(alias) { return try expect(target, found, alias) }
    let text = Array("\(target)\n".utf8)
    let body = ObjectBody(
      content: .bytes(text), count: text.count, digest: Digest.hexadecimal(of: text), name: "\(alias)")
    // Somebody may have been quicker.
    do { try store.add(body, as: key(alias)) } catch SharedError.damaged {}
    try expect(target, try self.target(of: alias), alias)
  }

  /// What has a name.
  /// - Throws: `SharedError`: `.unnamed` if nothing has it, `.damaged` if it is no name of anything.
  package func target(of alias: SharedAlias) throws -> SharedName {
    guard let found = try known(alias) else { throw SharedError.unnamed(alias: alias, place: description) }
    return found
  }

  private func known(_ alias: SharedAlias) throws -> SharedName? {
    let text: [UInt8]
    do {
      text = try cache.text(key(alias), called: "\(alias)", from: store, most: Self.mostOfALine)
    } catch SharedError.missing {
      return nil
    }
    guard let line = String(validating: text, as: UTF8.self), line.hasSuffix("\n"),
      let name = SharedName(String(line.dropLast()))
    else {
      throw SharedError.damaged(
        name: "\(alias)", place: description, reason: "it is no name of anything there")
    }
    return name
  }

  private func expect(_ target: SharedName, _ found: SharedName, _ alias: SharedAlias) throws {
    guard found == target else {
      throw SharedError.taken(alias: alias, place: description, by: found, wanted: target)
    }
  }

  private func key(_ alias: SharedAlias) -> String { "names/\(alias.name)" }
}
