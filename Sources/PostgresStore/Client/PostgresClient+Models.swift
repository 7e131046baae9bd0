import GRDB
import JobStore

/// What workers have said of models. What they would fetch of a hub, nobody can enqueue here.
extension PostgresClient {
  /// Models that workers lack, by worker and model, with the reasons.
  package func lackedModels() throws -> [(worker: String, model: String, reason: String)] {
    try connection.rows(
      """
      SELECT worker, left(model, 1000) AS model, left(reason, 2000) AS reason FROM lacking_models
      ORDER BY worker, model LIMIT 1000
      """
    ).map { row in
      let reader = RowReader(row: row, table: "lacking_models")
      return (try reader.value("worker"), try reader.value("model"), try reader.value("reason"))
    }
  }

  /// Nobody says here which models there are, so that every name is taken.
  package func knownModels() throws -> KnownModels { KnownModels() }

  /// Nobody reckons here how long jobs take.
  package func pace() throws -> RenderPace { RenderPace() }

  /// No job waits here for a hub.
  package func waits(batch: Int64?, limit: Int) throws -> [SourceRecord] { [] }

  /// There are no fetchers here.
  package func fetchers() throws -> [FetcherRecord] { [] }
}
