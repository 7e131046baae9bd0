import GRDB
import JobStore

/// What workers have said of models. What they would fetch of a hub, nobody can enqueue here.
extension PostgresClient {
  /// Nobody says here what a worker lacks.
  package func lackedModels() throws -> [(worker: String, model: String, reason: String)] { [] }

  /// Nobody says here which models there are, so that every name is taken.
  package func knownModels() throws -> KnownModels { KnownModels() }

  /// Nobody reckons here how long jobs take.
  package func pace() throws -> RenderPace { RenderPace() }

  /// No job waits here for a hub.
  package func waits(batch: Int64?, limit: Int) throws -> [SourceRecord] { [] }

  /// There are no fetchers here.
  package func fetchers() throws -> [FetcherRecord] { [] }
}
