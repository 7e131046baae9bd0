/// Where a job is in its life. A retry waits as `queued`, with a later run-after time.
package enum JobState: String, CaseIterable, Sendable, Codable {
  /// Waits for a worker.
  case queued
  /// A worker holds its lease.
  case running
  /// Its images are on disk and in the table.
  case done
  /// Ended with an error; only a person retries it.
  case failed
  /// Ended because somebody said so.
  case cancelled

  /// True when the job will still change without anybody asking.
  package var isOpen: Bool { self == .queued || self == .running }
}

/// How many jobs are in which state.
package struct StateCounts: Sendable, Equatable {
  package var queued = 0
  package var running = 0
  package var done = 0
  package var failed = 0
  package var cancelled = 0

  package init() {}

  /// Counts states.
  package init(_ states: some Sequence<JobState>) {
    for state in states {
      switch state {
      case .queued: queued += 1
      case .running: running += 1
      case .done: done += 1
      case .failed: failed += 1
      case .cancelled: cancelled += 1
      }
    }
  }

  /// All jobs.
  package var total: Int { [queued, running, done, failed, cancelled].boundedSum }

  /// Jobs that are not over yet.
  package var open: Int { [queued, running].boundedSum }

  /// The number of jobs in one state.
  package subscript(_ state: JobState) -> Int {
    switch state {
    case .queued: queued
    case .running: running
    case .done: done
    case .failed: failed
    case .cancelled: cancelled
    }
  }
}

/// Why an attempt failed; decides whether there is another.
package enum FailureKind: String, CaseIterable, Sendable, Codable {
  /// The request can never work (unknown scheduler, missing or hostile file). Never retried.
  case badInput = "bad_input"
  /// The model would not load. Retried; several in a row hold the model's jobs for a while.
  case model
  /// May pass: memory, disk, a file being replaced. Retried with growing pauses.
  case transient
  /// The worker vanished (crash, kill, hang). Retried at once, but not for ever. Only the store says this.
  case lost
}

/// What a worker does at the moment.
package enum WorkerState: String, CaseIterable, Sendable, Codable {
  case idle, rendering, stopped
}

/// What a running image is at.
package enum RenderPhase: String, CaseIterable, Sendable, Codable {
  case loading, encoding, denoising, decoding, writing, done
}
