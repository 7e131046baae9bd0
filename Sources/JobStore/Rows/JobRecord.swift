import GRDB

/// A complete row of the table `jobs`.
package struct JobRecord: FetchableRecord, JobStatusReading, Sendable, Equatable {
  package var id: Int64
  package var batch: Int64
  /// The batch's name.
  package var batchName: String
  /// How the batch's pictures are named; nil: by the numbers of batch, job and picture. It may be wrong.
  package var namePattern: String?
  package var status: JobStatus
  package var request: JobRequest
  /// Claims that count against `request.maxAttempts`.
  package var attempts: Int
  /// Attempts that ended because the worker vanished.
  package var losses: Int
  /// Steps of all its images at the loss that came latest in it; 0: no loss got anywhere.
  package var furthestStep: Int
  /// Whether its batch is paused.
  package var isPaused: Bool
  /// Whether its model is held by the circuit breaker.
  package var isModelHeld: Bool
  /// Whether something that it names of a hub is not here yet.
  package var isWaitingForSource: Bool
  /// Whether the batch that its own comes after is not over.
  package var isWaitingForBatch: Bool
  /// Whether it is in shards, and so other machines'.
  package var isInShards: Bool
  package var createdAt: Milliseconds
}

/// What a job took to render.
package struct RenderStatistics: Sendable, Equatable {
  /// Uses of parts of models (experts, blocks, projections) that were in memory.
  package var cacheHits: Int64 = 0
  package var cacheMisses: Int64 = 0
  package var cacheEvictions: Int64 = 0
  /// Parts that were read for one use and not kept, because everything kept is needed sooner.
  package var cacheBypasses: Int64 = 0
  /// Bytes read from disk into the cache.
  package var bytesRead: Int64 = 0
  /// Milliseconds spent waiting for weights.
  package var stall: Milliseconds = 0
  /// Peak of resident bytes.
  package var peakBytes: Int64 = 0

  package init() {}
}

extension JobRecord {
  /// Columns for `init(row:)`; `FROM jobs j JOIN batches b ON b.id = j.batch`.
  static let columns = """
    j.*, b.name AS batch_name, substr(b.name_pattern, 1, \(PictureNamePattern.longest + 1)) AS name_pattern
    """

  /// - Throws: `JobStoreError.damagedRow`
  package init(row: Row) throws {
    let reader = RowReader(row: row, table: "jobs")
    id = try reader.value("id")
    batch = try reader.value("batch")
    batchName = try reader.value("batch_name")
    namePattern = try reader.optional("name_pattern")
    request = try JobRequest(reader)
    attempts = try reader.value("attempts")
    losses = try reader.value("losses")
    furthestStep = try reader.value("furthest_step")
    let held: Int = try reader.value("held")
    isPaused = held & Hold.batch.rawValue != 0
    isModelHeld = held & Hold.model.rawValue != 0
    isWaitingForSource = held & Hold.source.rawValue != 0
    isWaitingForBatch = held & Hold.predecessor.rawValue != 0
    isInShards = held & Hold.shards.rawValue != 0
    createdAt = try reader.value("created_at")
    status = try JobStatus(
      reader, modelDigest: reader.optional("model_digest"), statistics: RenderStatistics(reader))
  }
}

/// The bits of `jobs.held`: why a queued job is not claimed.
enum Hold: Int {
  case batch = 1
  case model = 2
  /// What it names of a hub is not here.
  case source = 4
  /// The batch that its own comes after is not over.
  case predecessor = 8
  /// It is rendered elsewhere, from a shard.
  case shards = 16

  /// All values that the column may have.
  static let range = "BETWEEN 0 AND 31"
}

extension RenderStatistics {
  /// - Throws: `JobStoreError.damagedRow`
  init?(_ reader: RowReader) throws {
    guard let hits: Int64 = try reader.optional("cache_hits") else { return nil }
    cacheHits = hits
    cacheMisses = try reader.optional("cache_misses") ?? 0
    cacheEvictions = try reader.optional("cache_evictions") ?? 0
    cacheBypasses = try reader.optional("cache_bypasses") ?? 0
    bytesRead = try reader.optional("bytes_read") ?? 0
    stall = try reader.optional("stall_ms") ?? 0
    peakBytes = try reader.optional("peak_bytes") ?? 0
  }
}
