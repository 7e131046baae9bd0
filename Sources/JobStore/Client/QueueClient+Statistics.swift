import GRDB
import Requests

/// Statistics of all done jobs of one model in one precision.
package struct ModelStatistics: Sendable, Equatable {
  /// The model's name in the jobs.
  package var model: String
  package var precision: Precision
  package var jobs: Int
  package var images: Int
  /// Seconds of all pictures, each from its first step to its file.
  package var seconds: Double
  package var denoisingSteps: Int
  /// Sums over the jobs; for `peakBytes` the largest value.
  package var statistics: RenderStatistics

  /// - Parameter row: the sums over done jobs of one model and precision.
  /// - Throws: `JobStoreError.damagedRow`
  package init(row: Row) throws {
    let reader = RowReader(row: row, table: "jobs")
    model = try reader.value("model")
    precision = try reader.word("precision")
    jobs = try reader.value("jobs")
    images = try reader.value("images")
    seconds = try reader.value("seconds")
    denoisingSteps = try reader.value("steps")
    statistics = RenderStatistics()
    statistics.cacheHits = try reader.value("hits")
    statistics.cacheMisses = try reader.value("misses")
    statistics.cacheEvictions = try reader.value("evictions")
    statistics.cacheBypasses = try reader.value("bypasses")
    statistics.bytesRead = try reader.value("bytes")
    statistics.stall = try reader.value("stall")
    statistics.peakBytes = try reader.value("peak")
  }
}

extension QueueClient {
  /// Statistics of done jobs by model and precision.
  /// - Parameter batch: nil means all batches.
  /// - Throws: `JobStoreError.notFound` for an unknown batch.
  package func statistics(batch: Int64? = nil) throws -> [ModelStatistics] {
    try database.read { db in
      if let batch { try db.check(batch: batch) }
      let rows = try Row.fetchAll(
        db,
        sql: """
          SELECT model, precision, count(*) AS jobs, sum(count) AS images, sum(steps * count) AS steps,
            (SELECT total(i.seconds) FROM images i JOIN jobs k ON k.id = i.job
             WHERE k.state = 'done' AND k.model = j.model AND k.precision = j.precision
               AND (?1 IS NULL OR k.batch = ?1)) AS seconds,
            ifnull(sum(cache_hits), 0) AS hits, ifnull(sum(cache_misses), 0) AS misses,
            ifnull(sum(cache_evictions), 0) AS evictions, ifnull(sum(cache_bypasses), 0) AS bypasses,
            ifnull(sum(bytes_read), 0) AS bytes, ifnull(sum(stall_ms), 0) AS stall,
            ifnull(max(peak_bytes), 0) AS peak
          FROM jobs j WHERE state = 'done' AND (?1 IS NULL OR batch = ?1)
          GROUP BY model, precision ORDER BY model, precision
          """, arguments: [batch])
      return try rows.map { try ModelStatistics(row: $0) }
    }
  }
}
