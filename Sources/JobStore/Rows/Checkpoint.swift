import Foundation
import GRDB

/// How far one image of an unfinished job is: a row of the table `checkpoints`.
package enum Checkpoint: Sendable, Equatable {
  /// Between two steps. Only the engine understands `state`.
  case step(Int, state: Data, modelDigest: String)
  /// Its file has its final name, or was about to get it.
  case file(ImageRecord, modelDigest: String)

  /// - Throws: `JobStoreError.damagedRow`
  package init(row: Row) throws {
    let reader = RowReader(row: row, table: "checkpoints")
    let digest: String = try reader.value("model_digest")
    if try reader.optional("path", as: String.self) != nil {
      self = .file(try ImageRecord(row: row), modelDigest: digest)
    } else {
      self = .step(try reader.value("step"), state: try reader.value("state"), modelDigest: digest)
    }
  }
}

/// A finished picture of a job that failed or was cancelled.
package struct Leftover: Sendable, Equatable {
  /// What becomes of it.
  package enum Fate: Sendable, Equatable {
    /// It is the job's, as a picture of a done one.
    case keep
    /// Nobody looks for it any more.
    case forget
    /// It is looked at again.
    case wait
  }

  package let job: Int64
  package let batch: Int64
  /// As in `ImageRecord.index`.
  package let index: Int
  package let path: String
  /// As in `ImageRecord.bytes`.
  package let bytes: Int64
  /// As in `ImageRecord.digest`.
  package let digest: String
  /// Whether the person who cancelled the job wants none of its pictures.
  package let isUnwanted: Bool
  /// Whether its batch has a pattern for the names of pictures.
  package let isPatterned: Bool

  /// What a row says, with that of its job.
  package init(
    job: Int64, batch: Int64, index: Int, path: String, bytes: Int64, digest: String, isUnwanted: Bool,
    isPatterned: Bool
  ) {
    (self.job, self.batch, self.index, self.path) = (job, batch, index, path)
    (self.bytes, self.digest) = (bytes, digest)
    (self.isUnwanted, self.isPatterned) = (isUnwanted, isPatterned)
  }
}
