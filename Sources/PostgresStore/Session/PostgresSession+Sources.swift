import Foundation
import GRDB
import JobStore
import Requests

/// What jobs name of a hub, as a daemon sees it.
extension PostgresSession {
  /// Whether queued jobs wait for what a living fetcher will bring: for the first time, or to this host.
  package func isAwaitingSources() throws -> Bool {
    if try !queue.waits(batch: nil, limit: 1).isEmpty, try !queue.fetchers().isEmpty { return true }
    let row = try database.row(
      """
      SELECT EXISTS (SELECT 1 FROM lacking_models WHERE worker = $1::text AND is_coming($1::text, model))::integer AS awaits
      """, [.text(name)])
    return try RowReader(row: row, table: "lacking_models").value("awaits")
  }

  /// Looks whether what queued jobs wait for is in this daemon's own folders. Whatever is there is no source any more.
  package func takeLocalSources(_ isHere: (String) -> Bool) throws -> [String] {
    let wanted = try database.connection.rows(
      """
      SELECT DISTINCT source FROM sources WHERE state = 'wanted' AND source NOT LIKE '%:%' LIMIT 1000
      """
    ).map { try RowReader(row: $0, table: "sources").value("source", as: String.self) }
    let found = wanted.filter(isHere)
    guard !found.isEmpty else { return [] }
    _ = try database.connection.rows("SELECT take_local($1::text[])", [.texts(found)])
    return found
  }

  /// Where lies what this host's fetcher has brought of what the daemon lacks.
  package func arrivals(among lacked: Set<String>) throws -> [String: String] {
    let names = lacked.filter { ModelSource.remote($0) != nil }
    guard !names.isEmpty else { return [:] }
    let rows = try database.connection.rows(
      "SELECT name, path FROM source_places WHERE host = $1::text AND name = ANY ($2::text[]) AND state = 'ready'",
      [.text(record.host), .texts(names.sorted())])
    return try rows.reduce(into: [:]) { places, row in
      let reader = RowReader(row: row, table: "source_places")
      places[try reader.value("name", as: String.self)] = try reader.value("path", as: String.self)
    }
  }

  /// Where lies what a claimed job names of a hub, on this host, by the names in its request.
  /// - Throws: `JobStoreError.damagedRow`
  static func places(ofClaimed row: Row) throws -> [String: String] {
    guard let json: String = try RowReader(row: row, table: "sources").optional("places") else { return [:] }
    do {
      return try JSONDecoder().decode([String: String].self, from: Data(json.utf8))
    } catch {
      throw JobStoreError.damagedRow(table: "sources", column: "name", value: "no list of places")
    }
  }
}
