/// A worker's right to render a job and to write its outcome. It names one claim: when the job has been
/// claimed again since, whatever comes with the old lease is refused with `JobStoreError.leaseLost`.
package struct Lease: Sendable, Hashable {
  package let job: Int64
  package let worker: String
  /// The job's `claims` at that claim: a number that never comes twice.
  package let claim: Int64
}

/// A job that a worker has just taken.
package struct ClaimedJob: Sendable, Equatable {
  package let lease: Lease
  package let job: JobRecord

  package var request: JobRequest { job.request }
}

/// What the store tells a worker that reports.
package enum Instruction: Sendable, Equatable {
  case carryOn
  /// Somebody wants the job cancelled: stop, then call `cancelled(_:)`.
  case cancel
}

/// What a failed attempt led to.
package enum FailureOutcome: Sendable, Equatable {
  /// Queued again, not before this time.
  case retrying(after: Milliseconds)
  case failed
  /// Cancellation had been requested, so there is no retry.
  case cancelled
}
