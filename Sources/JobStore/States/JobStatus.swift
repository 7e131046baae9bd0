/// The state of a job with the data that belongs to it.
package enum JobStatus: Sendable, Equatable {
  case queued(Waiting)
  case running(Tenure)
  case done(Completion)
  case failed(Ending)
  case cancelled(Ending)

  /// A job that waits for a worker.
  package struct Waiting: Sendable, Equatable {
    /// Start no earlier than this time; nil means at once.
    package var runAfter: Milliseconds?
    /// When its last attempt began; nil if there was none.
    package var startedAt: Milliseconds?
    /// Why that attempt ended.
    package var failure: JobFailure?
  }

  /// A job that a worker is rendering.
  package struct Tenure: Sendable, Equatable {
    package var worker: String
    /// After this time any worker may free the job.
    package var leaseExpires: Milliseconds
    package var startedAt: Milliseconds?
    /// Whether its cancellation was requested.
    package var cancelRequested: Bool
    /// What it waits for, or why the previous attempt ended.
    package var failure: JobFailure?
  }

  /// A job whose pictures are done.
  package struct Completion: Sendable, Equatable {
    package var startedAt: Milliseconds?
    package var finishedAt: Milliseconds?
    /// SHA-256 of the weights that rendered it, in hexadecimal.
    package var modelDigest: String?
    package var statistics: RenderStatistics?
  }

  /// A job that ended without all of its pictures.
  package struct Ending: Sendable, Equatable {
    package var startedAt: Milliseconds?
    package var finishedAt: Milliseconds?
    package var failure: JobFailure?
  }

  /// The state without its data.
  package var state: JobState {
    switch self {
    case .queued: .queued
    case .running: .running
    case .done: .done
    case .failed: .failed
    case .cancelled: .cancelled
    }
  }
}

/// Why an attempt ended, or what a running job waits for.
package struct JobFailure: Sendable, Equatable {
  /// One line that names the thing and how to fix it.
  package var message: String
  /// nil if the row was edited by hand.
  package var kind: FailureKind?

  package init(message: String, kind: FailureKind?) {
    self.message = message
    self.kind = kind
  }
}

extension JobStatus {
  /// Columns of `jobs` for `init(_:)`.
  static let columns = """
    state, run_after, lease_owner, lease_expires, cancel_requested, started_at, finished_at, error, error_kind
    """

  /// - Throws: `JobStoreError.damagedRow`
  init(_ reader: RowReader, modelDigest: String? = nil, statistics: RenderStatistics? = nil) throws {
    let startedAt: Milliseconds? = try reader.optional("started_at")
    let finishedAt: Milliseconds? = try reader.optional("finished_at")
    let kind: FailureKind? = try reader.optionalWord("error_kind")
    let failure = try reader.optional("error").map { JobFailure(message: $0, kind: kind) }
    let ending = Ending(startedAt: startedAt, finishedAt: finishedAt, failure: failure)
    switch try reader.word("state", as: JobState.self) {
    case .queued:
      self = .queued(
        Waiting(runAfter: try reader.optional("run_after"), startedAt: startedAt, failure: failure))
    case .running:
      self = .running(
        Tenure(
          worker: try reader.value("lease_owner"), leaseExpires: try reader.value("lease_expires"),
          startedAt: startedAt, cancelRequested: try reader.value("cancel_requested"), failure: failure))
    case .done:
      self = .done(
        Completion(
          startedAt: startedAt, finishedAt: finishedAt, modelDigest: modelDigest, statistics: statistics))
    case .failed: self = .failed(ending)
    case .cancelled: self = .cancelled(ending)
    }
  }
}

/// Something with a status, so that lists and details read its data in the same way.
package protocol JobStatusReading {
  var status: JobStatus { get }
}

extension JobStatusReading {
  /// The state without its data.
  package var state: JobState { status.state }

  /// The data of a running job; nil in other states.
  package var tenure: JobStatus.Tenure? {
    if case .running(let tenure) = status { tenure } else { nil }
  }

  /// The data of a done job; nil in other states.
  package var completion: JobStatus.Completion? {
    if case .done(let completion) = status { completion } else { nil }
  }

  /// Start no earlier than this time.
  package var runAfter: Milliseconds? {
    if case .queued(let waiting) = status { waiting.runAfter } else { nil }
  }

  /// When its last attempt began.
  package var startedAt: Milliseconds? {
    switch status {
    case .queued(let waiting): waiting.startedAt
    case .running(let tenure): tenure.startedAt
    case .done(let completion): completion.startedAt
    case .failed(let ending), .cancelled(let ending): ending.startedAt
    }
  }

  /// When the job ended.
  package var finishedAt: Milliseconds? {
    switch status {
    case .queued, .running: nil
    case .done(let completion): completion.finishedAt
    case .failed(let ending), .cancelled(let ending): ending.finishedAt
    }
  }

  /// Why an attempt ended, or what a running job waits for.
  package var failure: JobFailure? {
    switch status {
    case .queued(let waiting): waiting.failure
    case .running(let tenure): tenure.failure
    case .done: nil
    case .failed(let ending), .cancelled(let ending): ending.failure
    }
  }
}
