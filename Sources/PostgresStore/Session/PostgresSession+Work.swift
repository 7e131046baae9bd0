import Boundary
import Foundation
import GRDB
import JobStore

/// What a worker says of a job at work.
extension PostgresSession {
  /// Writes how far an image is, unless many workers share the queue and this one has just done so. Then beats tell of a
  /// cancellation. Not durable.
  @discardableResult
  package func report(_ progress: ImageProgress, waiting seconds: Double, _ lease: Lease) throws
    -> Instruction
  {
    let jobs = Set(leases.map(\.job))
    guard reportPace.isWorthTelling(progress, of: lease.job, among: jobs, crowd: crowd) else {
      return verdict(of: lease).cancelled ? .cancel : .carryOn
    }
    return try instruction(
      "report_progress($1::bigint, $2::bigint, $3::integer, $4::text, $5::integer, $6::integer, $7::float8, $8::bigint)",
      lease,
      [
        .integer(Int64(progress.index)), .text(progress.phase.rawValue), .integer(Int64(progress.step)),
        .integer(Int64(progress.steps)), .real(progress.secondsPerStep), .integer(progress.expectedEnd),
      ])
  }

  /// Notes what people should know of a running job. Not durable.
  package func note(_ message: String, _ lease: Lease) throws {
    _ = try instruction(
      "note_wait($1::bigint, $2::bigint, $3::text)", lease, [.text(PlainText.line(message))])
  }

  /// Notes what people should know of a running job. Not durable.
  package func note(width: Int, height: Int, _ lease: Lease) throws {
    _ = try instruction(
      "note_size($1::bigint, $2::bigint, $3::integer, $4::integer)", lease,
      [.integer(Int64(width)), .integer(Int64(height))])
  }

  /// Asks whether to go on.
  package func instruction(_ lease: Lease) throws -> Instruction {
    try instruction(
      "(SELECT cancel_requested FROM leases WHERE job = $1::bigint AND token = $2::bigint)", lease, [])
  }

  /// Saves a resume state of an image. Not durable.
  @discardableResult
  package func keep(
    _ state: Data, step: Int, index: Int, modelDigest: String, waiting seconds: Double?, _ lease: Lease
  ) throws -> Double {
    let begun = ContinuousClock.now
    _ = try instruction(
      "keep_state($1::bigint, $2::bigint, $3::integer, $4::integer, $5::bytea, $6::text, $7::text)", lease,
      [
        .integer(Int64(index)), .integer(Int64(step)), .bytes(state), .text(modelDigest),
        .text(record.numerics),
      ])
    return (ContinuousClock.now - begun) / .seconds(1)
  }

  /// Stores a preview of an image over the one before. Not durable.
  @discardableResult
  package func keep(preview png: [UInt8], step: Int, index: Int, _ lease: Lease) throws -> Double {
    guard png.count <= Preview.longest else {
      throw JobStoreError.wrongRow(reason: "a preview has \(png.count) bytes, \(Preview.longest) at most")
    }
    let begun = ContinuousClock.now
    _ = try instruction(
      "keep_preview($1::bigint, $2::bigint, $3::integer, $4::integer, $5::bytea)", lease,
      [.integer(Int64(index)), .integer(Int64(step)), .bytes(Data(png))])
    return (ContinuousClock.now - begun) / .seconds(1)
  }

  /// Announces the file that is about to get its final name. Durable.
  package func announce(_ image: ImageRecord, step: Int, modelDigest: String, _ lease: Lease) throws {
    _ = try instruction(
      """
      announce_image($1::bigint, $2::bigint, $3::integer, $4::integer, $5::text, $6::text, $7::bigint, $8::integer,
        $9::integer, $10::text, $11::bigint, $12::float8, $13::text)
      """, lease,
      [
        .integer(Int64(image.index)), .integer(Int64(step)), .text(modelDigest),
      ] + image.file)
  }

  /// Calls a function whose first two arguments are a job and its lease's token, and which answers with the job's
  /// cancel_requested.
  /// - Throws: `JobStoreError.leaseLost` if it answers with NULL.
  private func instruction(_ call: String, _ lease: Lease, _ values: [ServerValue]) throws -> Instruction {
    let row = try database.row(
      "SELECT \(call) AS answer", [.integer(lease.job), .integer(lease.claim)] + values)
    guard let isCancelled: Bool = try RowReader(row: row, table: "leases").optional("answer") else {
      throw JobStoreError.leaseLost(job: lease.job, worker: lease.worker)
    }
    return isCancelled ? .cancel : .carryOn
  }
}
