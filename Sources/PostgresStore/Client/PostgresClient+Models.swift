import Foundation
import GRDB
import JobStore

/// What workers have said of models.
extension PostgresClient {
  /// Models that workers lack, by worker and model, with the reasons.
  package func lackedModels() throws -> [(worker: String, model: String, reason: String)] {
    try connection.rows(
      """
      SELECT worker, left(model, 1000) AS model, left(reason, 2000) AS reason FROM lacking_models
      ORDER BY worker COLLATE "C", model COLLATE "C" LIMIT 1000
      """
    ).map { row in
      let reader = RowReader(row: row, table: "lacking_models")
      return (try reader.value("worker"), try reader.value("model"), try reader.value("reason"))
    }
  }

  /// The models in the folders of the daemons, loaded or not, and those that were loaded from elsewhere.
  package func knownModels() throws -> KnownModels {
    let workers = KnownModels.counting(try workers(), now: try now())
    // One row for each model: there may be thousands of daemons with the same.
    let rows = try connection.rows(
      """
      SELECT left(model, 4096) AS model, json_agg(worker ORDER BY worker COLLATE "C")::text AS workers,
        (json_agg(left(fault, 2000) ORDER BY worker COLLATE "C") FILTER (WHERE fault IS NOT NULL))::text AS faults
      FROM found_models WHERE worker = ANY ($1::text[]) GROUP BY model
      """, [.texts(workers.map(\.name))])
    var found: [String: ModelHolders] = [:]
    for row in rows {
      let reader = RowReader(row: row, table: "found_models")
      var holders = ModelHolders()
      holders.workers = try Self.list(reader.value("workers"))
      holders.faults = try reader.optional("faults").map { try Self.list($0) } ?? []
      found[try reader.value("model")] = holders
    }
    // Nobody holds a model here.
    let records = try connection.rows(
      "SELECT *, 0 AS load_failures, NULL::text AS load_error, NULL::bigint AS held_until FROM models"
    ).map { try ModelRecord(row: $0) }
    return KnownModels(records, workers: workers, found: found)
  }

  /// The texts of a JSON array.
  private static func list(_ json: String) throws -> [String] {
    do {
      return try JSONDecoder().decode([String].self, from: Data(json.utf8))
    } catch {
      throw JobStoreError.damagedRow(table: "found_models", column: "worker", value: "no list of texts")
    }
  }
}
