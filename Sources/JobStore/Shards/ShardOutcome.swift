import Boundary
import Requests

/// How a job ended in a shard, as far as a file says that may come from anybody.
package struct ShardOutcome: Sendable, Equatable {
  package var job: Int64
  package var attempts: Int
  package var startedAt: Milliseconds?
  package var finishedAt: Milliseconds?
  /// Why it failed; nil: it is done.
  package var failure: JobFailure?
  package var modelDigest: String?
  package var statistics: RenderStatistics
  /// Its finished pictures in order. Their paths are relative to a folder of pictures, and plain.
  package var images: [ImageRecord]
  /// What happened to it there.
  package var events: [Event]

  package init(
    job: Int64, attempts: Int, startedAt: Milliseconds? = nil, finishedAt: Milliseconds? = nil,
    failure: JobFailure? = nil, modelDigest: String? = nil, statistics: RenderStatistics = RenderStatistics(),
    images: [ImageRecord] = [], events: [Event] = []
  ) {
    self.job = job
    self.attempts = attempts
    self.startedAt = startedAt
    self.finishedAt = finishedAt
    self.failure = failure
    self.modelDigest = modelDigest
    self.statistics = statistics
    self.images = images
    self.events = events
  }
}

/// Whether it fits the job that it is of, as the home queue has it.
extension ShardOutcome {
  /// Whether a job is awaited, and this is how it may have ended.
  /// - Parameters:
  ///   - job: as the home queue has it; nil: it has none, or a damaged one.
  ///   - batch: in shards.
  /// - Throws: `JobStoreError.damagedRow` for pictures that the job does not ask for.
  package func isAwaited(by job: JobRecord?, of batch: Int64) throws -> Bool {
    guard let job, job.batch == batch, job.state == .queued else { return false }
    guard failure == nil else { return true }
    try checkImages(job.request)
    if job.namePattern == nil { try checkNames(job) }
    return true
  }

  /// As it comes into the home queue. Counts may be anything, and another machine's clock may be ahead or behind: nothing
  /// happened before the job was there, or will have.
  /// - Parameters:
  ///   - job: as the home queue has it.
  ///   - now: by the home queue's clock.
  /// - Throws: `JobStoreError.damagedRow` for pictures that the job does not ask for.
  package func checked(for job: JobRecord, now: Milliseconds) throws -> ShardOutcome {
    if failure == nil { try checkImages(job.request) }
    func count(_ number: Int64) -> Int64 { min(max(0, number), 1 << 53) }
    var own = self
    own.attempts = min(max(1, attempts), max(1, job.request.maxAttempts))
    func time(_ time: Milliseconds) -> Milliseconds { min(max(time, job.createdAt), now) }
    let finished = time(finishedAt ?? now)
    own.finishedAt = finished
    own.startedAt = startedAt.map { min(time($0), finished) }
    own.failure = failure.map { JobFailure(message: PlainText.line($0.message), kind: $0.kind ?? .transient) }
    own.statistics.cacheHits = count(statistics.cacheHits)
    own.statistics.cacheMisses = count(statistics.cacheMisses)
    own.statistics.cacheEvictions = count(statistics.cacheEvictions)
    own.statistics.cacheBypasses = count(statistics.cacheBypasses)
    own.statistics.bytesRead = count(statistics.bytesRead)
    own.statistics.stall = count(statistics.stall)
    own.statistics.peakBytes = count(statistics.peakBytes)
    for index in own.events.indices {
      (own.events[index].batch, own.events[index].job) = (job.batch, job.id)
      own.events[index].at = time(events[index].at)
    }
    return own
  }

  /// What it is to a job that is not in shards any more.
  /// - Parameters:
  ///   - state: the job's.
  ///   - digests: of its pictures, in order.
  package func homecoming(to state: JobState, with digests: [String]) -> Homecoming {
    let isSame = state == (failure == nil ? .done : .failed)
    return isSame && digests == images.map(\.digest) ? .known : .unwanted
  }

  private func checkImages(_ request: JobRequest) throws {
    let render = request.render
    guard images.map(\.index) == Array(0..<render.count) else {
      throw JobStoreError.damagedRow(
        table: "images", column: "number", value: "\(images.count) pictures of \(render.count)")
    }
    for image in images where image.seed != render.picture(image.index).seed {
      throw JobStoreError.damagedRow(table: "images", column: "seed", value: "\(image.seed)")
    }
  }

  /// Checks that pictures have the names that a daemon of this queue would have given them.
  private func checkNames(_ job: JobRecord) throws {
    for image in images {
      let stem = "\(job.batch)/\(job.id)-\(image.index)"
      // A second picture of a name has a number.
      let number = image.path.hasPrefix(stem) ? image.path.dropFirst(stem.count).dropLast(4) : "x"
      guard number.isEmpty || number.first == "-" && number.dropFirst().allSatisfy(\.isNumber) else {
        throw JobStoreError.damagedRow(table: "images", column: "path", value: "'\(image.path)'")
      }
    }
  }
}
