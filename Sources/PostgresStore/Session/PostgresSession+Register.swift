import Foundation
import GRDB
import JobStore

/// Which models are here. It is not durable, since it is said again at every start.
extension PostgresSession {
  /// Makes a model known, or renews what is known about it.
  package func register(_ model: ModelRecord, loaded: Bool, with files: [String]) throws {
    _ = try database.connection.rows(
      """
      SELECT register_model($1::text, $2::text, $3::text, $4::text, $5::text, $6::bigint, $7::text, $8::text = '1',
        $9::text[])
      """,
      [
        .text(name), .text(model.name), .text(model.path), .text(model.kind), .text(model.digest),
        .integer(model.bytes), .text(model.description), .flag(loaded), .texts(files),
      ])
  }

  /// Says which models are in this worker's folders, in place of what it said before.
  package func declare(_ found: [ModelRecord], areAll: Bool) throws {
    let models = try JSONEncoder().encode(found.map(FoundModel.init))
    _ = try database.connection.rows(
      "SELECT declare_models($1::text, $2::bigint, $3::jsonb, $4::text = '1')",
      [
        .text(name), .integer(record.startedAt), .text(String(decoding: models, as: UTF8.self)),
        .flag(areAll),
      ])
  }

  /// Whether the queue has what `declare` said.
  package func hasDeclared(_ count: Int, areAll: Bool) throws -> Bool {
    let row = try database.row(
      """
      SELECT EXISTS (SELECT 1 FROM workers
          WHERE name = $1::text AND started_at = $2::bigint AND (models_seen_at IS NOT NULL) = ($3::text = '1'))
        AND $4::bigint <= (SELECT count(*) FROM found_models f JOIN models m ON m.name = f.model
          WHERE f.worker = $1::text) AS declared
      """, [.text(name), .integer(record.startedAt), .flag(areAll), .integer(Int64(count))])
    return try RowReader(row: row, table: "found_models").value("declared")
  }
}

/// A model as `declare_models` reads it.
private struct FoundModel: Encodable {
  let name: String
  let path: String?
  let kind: String?
  let bytes: Int64?
  let description: String?
  let fault: String?

  init(_ model: ModelRecord) {
    (name, path, kind, bytes) = (model.name, model.path, model.kind, model.bytes)
    (description, fault) = (model.description, model.fault)
  }
}
