import CPostgreSQL
import Foundation
import JobStore

/// Where a queue on PostgreSQL is, as libpq understands it: `postgresql://USER@HOST:PORT/DATABASE?sslmode=verify-full`.
///
/// What it leaves out libpq takes from its variables and files (`PGPASSFILE`, `PGSSLROOTCERT`, …). It may hold a password,
/// so only `description` is ever shown.
package struct ServerAddress: Sendable, CustomStringConvertible {
  private let text: String
  /// User, host, port and database, as far as the address has them; no password.
  package let description: String

  /// - Parameter text: the address.
  /// - Throws: `JobStoreError.wrongAddress`
  package init(_ text: String) throws {
    guard !text.utf8.contains(0) else { throw JobStoreError.wrongAddress(reason: "it has a zero byte") }
    guard QueueDatabase.serverSchemes.contains(where: text.hasPrefix) else {
      throw JobStoreError.wrongAddress(reason: "it does not begin with postgresql://")
    }
    guard !Self.mayShowPassword(text) else {
      throw JobStoreError.wrongAddress(
        reason: "perhaps a sign in it needs a %, such as %2F for / and %40 for @")
    }
    var complaint: UnsafeMutablePointer<CChar>?
    guard let options = PQconninfoParse(text, &complaint) else {
      defer { PQfreemem(complaint) }
      // libpq quotes what it does not understand, which may be a part of a password.
      let mayTell = !text.contains("@") && !text.lowercased().contains("password")
      let words =
        complaint.flatMap { mayTell ? String(cString: $0) : nil } ?? "perhaps a sign in it needs a %"
      throw JobStoreError.wrongAddress(reason: words.trimmingCharacters(in: .whitespacesAndNewlines))
    }
    defer { PQconninfoFree(options) }
    var given: [String: String] = [:]
    var option = options
    while let keyword = option.pointee.keyword {
      if let value = option.pointee.val { given[String(cString: keyword)] = String(cString: value) }
      option += 1
    }
    // A password with a sign that ends it would be taken for a port.
    let ports = (given["port"] ?? "").split(separator: ",")
    guard ports.allSatisfy({ UInt16($0) != nil }) else {
      throw JobStoreError.wrongAddress(reason: "its port is no number; perhaps a sign in it needs a %")
    }
    self.text = text
    let user = given["user"].map { $0 + "@" } ?? ""
    let host = given["host"] ?? given["hostaddr"] ?? ""
    let port = given["port"].map { ":" + $0 } ?? ""
    description = "postgresql://\(user)\(host)\(port)/\(given["dbname"] ?? "")"
  }

  /// Whether libpq would take a part of a password for something that is shown: one with a sign that ends it, such as `/`
  /// or `@`, or one behind a `&` without a `?` before it.
  private static func mayShowPassword(_ text: String) -> Bool {
    guard let scheme = text.range(of: "://") else { return false }
    let rest = text[scheme.upperBound...]
    // Who it is ends at the first @, unless there is a / before it.
    let end = rest.firstIndex { $0 == "@" || $0 == "/" }
    var place = rest
    if let end, rest[end] == "@" {
      let user = rest[..<end].prefix { $0 != ":" }
      if user.contains(where: { "?&=".contains($0) }) { return true }
      place = rest[rest.index(after: end)...]
    }
    return place.prefix { $0 != "?" }.contains { "@&=".contains($0) }
  }

  /// What libpq is told: defaults first, which the address may change, then what the store needs.
  var parameters: [(keyword: String, value: String)] {
    [
      ("fallback_application_name", "segmoe"), ("connect_timeout", "10"),
      // A cut link is noticed within ten seconds.
      ("keepalives_idle", "5"), ("keepalives_interval", "2"), ("keepalives_count", "3"),
      ("tcp_user_timeout", "10000"),
      ("dbname", text),
      ("client_encoding", "UTF8"),
    ]
  }
}
