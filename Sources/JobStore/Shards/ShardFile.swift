import Boundary
import GRDB

/// A shard's queue as a file that may come from anybody. It is only read, and only its plain tables.
package struct ShardFile {
  private let connection: DatabaseQueue
  private let path: String

  /// - Parameter path: a copy that nobody else can change.
  /// - Throws: `JobStoreError.notADatabase`, `.foreignDatabase`, `.wrongSchema`, `.schemaTooNew`, `.schemaTooOld`
  package init(_ path: String) throws {
    self.path = path
    connection = try QueueDatabase.openUntrusted(path, tables: ["jobs", "images", "events"])
  }

  /// How jobs ended that are over. Others are left out.
  /// - Parameters:
  ///   - jobs: their numbers.
  ///   - batch: theirs.
  ///   - refuse: gets the jobs whose rows cannot be right, and what is wrong.
  /// - Throws: `JobStoreError` if the file is damaged.
  package func outcomes(
    of jobs: Set<Int64>, batch: Int64, refuse: (_ job: Int64, _ reason: JobStoreError) -> Void
  ) throws -> [ShardOutcome] {
    do {
      return try connection.read { db in
        try jobs.sorted().compactMap { job in
          do {
            return try outcome(of: job, batch, db)
          } catch let error as JobStoreError {
            refuse(job, error)
            return nil
          }
        }
      }
    } catch let error as DatabaseError {
      throw QueueDatabase.translation(of: error, path: path)
    }
  }

  private func outcome(of job: Int64, _ batch: Int64, _ db: Database) throws -> ShardOutcome? {
    let row = try Row.fetchOne(
      db.cachedStatement(
        sql: """
          SELECT state, attempts, started_at, finished_at, substr(error, 1, 10000) AS error, error_kind,
            model_digest, cache_hits, cache_misses, cache_evictions, cache_bypasses, bytes_read, stall_ms, peak_bytes
          FROM jobs WHERE id = ? AND batch = ? AND state IN ('done', 'failed')
          """), arguments: [job, batch])
    guard let row else { return nil }
    let reader = RowReader(row: row, table: "jobs")
    let digest: String? = try reader.optional("model_digest")
    if let digest, !Self.isModelDigest(digest) { throw Self.wrong("jobs", "model_digest", digest) }
    let isDone = try reader.word("state", as: JobState.self) == .done
    let failure = JobFailure(
      message: PlainText.line(try reader.optional("error") ?? "no reason is known"),
      kind: try reader.optionalWord("error_kind"))
    return ShardOutcome(
      job: job, attempts: try reader.value("attempts"), startedAt: try Self.time(reader, "started_at"),
      finishedAt: try Self.time(reader, "finished_at"), failure: isDone ? nil : failure, modelDigest: digest,
      statistics: try RenderStatistics(reader) ?? RenderStatistics(),
      images: isDone ? try images(of: job, db) : [], events: try events(of: job, db))
  }

  private func images(of job: Int64, _ db: Database) throws -> [ImageRecord] {
    let images = try ImageRecord.fetchAll(
      db.cachedStatement(
        sql: """
          SELECT number, substr(path, 1, 2000) AS path, seed, width, height, digest, bytes, seconds,
            substr(numerics, 1, 200) AS numerics
          FROM images WHERE job = ? ORDER BY number LIMIT 100001
          """), arguments: [job])
    for image in images {
      guard Digest.isHexadecimal(image.digest) else { throw Self.wrong("images", "digest", image.digest) }
      guard Self.isPlainPath(image.path) else { throw Self.wrong("images", "path", image.path) }
      guard (1...(1 << 17)).contains(image.width), (1...(1 << 17)).contains(image.height) else {
        throw Self.wrong("images", "width", "\(image.width)×\(image.height)")
      }
      guard (1...(1 << 31)).contains(image.bytes) else {
        throw Self.wrong("images", "bytes", "\(image.bytes)")
      }
      guard image.seconds.isFinite, image.seconds >= 0 else {
        throw Self.wrong("images", "seconds", "\(image.seconds)")
      }
      if let numerics = image.numerics, PlainText.line(numerics) != numerics {
        throw Self.wrong("images", "numerics", numerics)
      }
    }
    return images
  }

  /// More events of a job than are read.
  private static let mostEvents = 1000

  private func events(of job: Int64, _ db: Database) throws -> [Event] {
    let kinds: Set<Event.Kind> = [.claimed, .givenBack, .lost, .retrying, .done, .failed]
    let events = try Event.fetchAll(
      db.cachedStatement(
        sql: """
          SELECT at, NULL AS batch, job, substr(worker, 1, 100) AS worker, what, substr(detail, 1, 4000) AS detail
          FROM events WHERE job = ? ORDER BY id LIMIT \(Self.mostEvents)
          """), arguments: [job])
    return events.filter { kinds.contains($0.kind) && Self.times.contains($0.at) }.map { event in
      var plain = event
      (plain.worker, plain.detail) = (
        event.worker.map { PlainText.line($0) }, event.detail.map { PlainText.line($0) }
      )
      return plain
    }
  }

  /// Times that a clock may show, in milliseconds: until the year 2286.
  private static let times: ClosedRange<Milliseconds> = 0...10_000_000_000_000

  private static func time(_ reader: RowReader, _ column: String) throws -> Milliseconds? {
    let time: Milliseconds? = try reader.optional(column)
    if let time, !times.contains(time) { throw wrong("jobs", column, "\(time)") }
    return time
  }

  /// Whether a text is a model's digest, and those of what a job has added to it: `MODEL+LORAS+vae:VAE`.
  private static func isModelDigest(_ text: String) -> Bool {
    let parts = text.split(separator: "+", maxSplits: 3, omittingEmptySubsequences: false)
    return parts.indices.allSatisfy { index in
      let isVAE = index > 0 && parts[index].hasPrefix("vae:")
      return Digest.isHexadecimal(String(isVAE ? parts[index].dropFirst(4) : parts[index]))
    }
  }

  /// Whether a path stays below the folder that it is relative to, and names a picture.
  private static func isPlainPath(_ path: String) -> Bool {
    let names = path.pathNames
    return path.hasSuffix(".png") && names.count <= 8 && PlainText.line(path) == path
      && names.allSatisfy { !$0.isEmpty && !$0.hasPrefix(".") && $0.utf8.count <= 255 }
  }

  private static func wrong(_ table: String, _ column: String, _ value: String) -> JobStoreError {
    .damagedRow(table: table, column: column, value: "'\(PlainText.line(String(value.prefix(200))))'")
  }
}
