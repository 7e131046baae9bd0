import Foundation

/// How far one image of an unfinished job is: a row of the table `checkpoints`.
package enum Checkpoint: Sendable, Equatable {
  /// Between two steps. Only the engine understands `state`.
  case step(Int, state: Data, modelDigest: String)
  /// Its file has its final name, or was about to get it.
  case file(ImageRecord, modelDigest: String)
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
}
