/// A worker's right to render a job and to record its result. It names one claim. If the job was claimed again since,
/// every call with the old lease throws `JobStoreError.leaseLost`.
package struct Lease: Sendable, Hashable {
  package let job: Int64
  package let worker: String
  /// The job's count of claims, or on PostgreSQL a random number. It is different for every claim.
  package let claim: Int64

  /// - Parameters:
  ///   - job: the job's number.
  ///   - worker: the worker's name.
  ///   - claim: what tells this claim from every other: a count, or a random number.
  package init(job: Int64, worker: String, claim: Int64) {
    self.job = job
    self.worker = worker
    self.claim = claim
  }
}

/// A job that a worker has just claimed.
package struct ClaimedJob: Sendable, Equatable {
  package let lease: Lease
  package let job: JobRecord
  /// Where lies what the job names of a hub, by the names in its request.
  package let places: [String: String]

  /// A job that was just claimed, with its lease.
  package init(lease: Lease, job: JobRecord, places: [String: String]) {
    self.lease = lease
    self.job = job
    self.places = places
  }

  package var request: JobRequest { job.request }
}

/// The store's answer to a report of a worker.
package enum Instruction: Sendable, Equatable {
  case carryOn
  /// The job's cancellation was requested: stop, then call `cancelled(_:)`.
  case cancel
}

/// The result of a failed attempt.
package enum FailureOutcome: Sendable, Equatable {
  /// It is queued again, to start no earlier than this time.
  case retrying(after: Milliseconds)
  case failed
  /// There is no retry, because its cancellation was requested.
  case cancelled
}
