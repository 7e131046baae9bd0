import GRDB

/// The state of a job. A job that waits for a retry is `queued` with a later run-after time.
package enum JobState: String, CaseIterable, Sendable, Codable {
  /// It waits for a worker.
  case queued
  /// A worker holds its lease.
  case running
  /// Its images are on disk and in the table `images`.
  case done
  /// It ended with an error. It is not retried unless somebody asks for it.
  case failed
  /// Somebody cancelled it.
  case cancelled

  /// Whether the job is not over.
  package var isOpen: Bool { self == .queued || self == .running }
}

/// The number of jobs in each state.
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

  /// Each state's name with its count.
  package var byState: [(String, Int)] { JobState.allCases.map { ($0.rawValue, self[$0]) } }

  /// All jobs.
  package var total: Int { [queued, running, done, failed, cancelled].boundedSum }

  /// Jobs that are not over yet.
  package var open: Int { [queued, running].boundedSum }

  /// Without jobs that were over before; at least 0, since those may have been removed or tried again.
  package func since(_ before: StateCounts) -> StateCounts {
    func news(_ now: Int, _ before: Int) -> Int {
      // A row may hold any number.
      let (difference, overflow) = now.subtractingReportingOverflow(before)
      return overflow ? 0 : max(0, difference)
    }
    var counts = self
    counts.done = news(done, before.done)
    counts.failed = news(failed, before.failed)
    counts.cancelled = news(cancelled, before.cancelled)
    return counts
  }

  /// The lower of both numbers of jobs that are over: of those that were over before, some may have been removed or tried
  /// again.
  package func atMost(_ now: StateCounts) -> StateCounts {
    var counts = self
    counts.done = min(done, now.done)
    counts.failed = min(failed, now.failed)
    counts.cancelled = min(cancelled, now.cancelled)
    return counts
  }

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

/// Why an attempt failed. It decides whether there is another.
package enum FailureKind: String, CaseIterable, Sendable, Codable {
  /// The request can never work: an unknown scheduler, a missing or hostile file. It is never retried.
  case badInput = "bad_input"
  /// No living worker has had the model for long enough.
  case model
  /// Something temporary: memory, disk, a file being replaced. It is retried with growing pauses.
  case transient
  /// The worker vanished: crash, kill or hang. It is retried at once, but only a few times. Only the store sets this.
  case lost
}

extension FailureKind {
  /// How many jobs failed of each kind.
  /// - Parameter rows: with the columns error_kind and jobs.
  /// - Throws: `JobStoreError.damagedRow`
  package static func counts(_ rows: [Row]) throws -> [FailureKind: Int] {
    try rows.reduce(into: [:]) { counts, row in
      let reader = RowReader(row: row, table: "jobs")
      counts[try reader.word("error_kind")] = try reader.value("jobs")
    }
  }
}

/// What a worker is doing.
package enum WorkerState: String, CaseIterable, Sendable, Codable {
  case idle, rendering, stopped
}

/// The phase of a running image.
package enum RenderPhase: String, CaseIterable, Sendable, Codable {
  case loading, encoding, denoising, decoding, writing, done
}

extension Sequence<Int> {
  /// Their sum, or the nearest number that there is: somebody may have written any number into a row, and that must not
  /// end the program.
  package var boundedSum: Int {
    reduce(0) { sum, number in
      let (result, isBeyond) = sum.addingReportingOverflow(number)
      return isBeyond ? (number > 0 ? .max : .min) : result
    }
  }
}
