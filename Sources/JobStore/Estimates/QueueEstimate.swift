import Foundation

/// How long it takes until some jobs are over, for somebody who watches: by what earlier jobs of the same models and
/// sizes took, and by how far those at work are.
package struct QueueEstimate {
  private let filter: JobFilter
  private var pace = RenderPace()
  private var backlog: [Backlog] = []
  /// The counts for which history and backlog were read, and what that took in seconds.
  private var read: (counts: StateCounts, at: Date, cost: Double)?
  /// The most jobs that were at work together of late, and when.
  private var workers: (count: Int, at: Date) = (0, .distantPast)

  /// Reading both again and again may take one part in this many of the time: a queue of a million jobs takes a second.
  private static let share = 20.0

  /// Seconds in which a worker takes its next job. Meanwhile it counts as at work.
  private static let pause: TimeInterval = 30

  /// The most jobs at work that are looked at.
  private static let mostRunning = 256

  /// - Parameter filter: a batch, jobs, or everything; nothing else in it counts.
  package init(_ filter: JobFilter = JobFilter()) { self.filter = filter }

  /// Seconds until the jobs are over; nil if nothing like them was ever done, and no step of any is.
  /// - Throws: `JobStoreError`
  package mutating func secondsLeft(_ queue: any JobQueue, now: Date) throws -> Double? {
    try refresh(queue, now: now)
    var all = JobFilter()
    (all.states, all.limit) = ([.running], Self.mostRunning)
    let running = try queue.list(all)
    if running.count >= workers.count || now.timeIntervalSince(workers.at) > Self.pause || now < workers.at {
      workers = (running.count, now)
    }
    let alive = try queue.livingWorkers().count
    var pace = pace
    for job in running { pace.learn(job) }
    let left = running.compactMap { pace.secondsLeft(of: $0, now: now) }
    var queued = 0.0
    for work in backlog {
      let seconds =
        pace.seconds(model: work.model, pixels: work.pixels, steps: work.steps, images: work.images)
        ?? pace.secondsOfAny(pixels: work.pixels, steps: work.steps, images: work.images)
      guard let seconds else { return nil }
      queued += seconds
    }
    guard left.count == running.count, !(left.isEmpty && backlog.isEmpty) else { return nil }
    let sum = left.reduce(queued, +)
    return max(left.max() ?? 0, sum / Double(max(1, alive, workers.count)))
  }

  /// Reads history and backlog anew if jobs have come or gone, unless it would take too much of the time.
  private mutating func refresh(_ queue: any JobQueue, now: Date) throws {
    let counts = try queue.status().counts
    if let read {
      let age = now.timeIntervalSince(read.at)
      guard counts != read.counts, age < 0 || age >= read.cost * Self.share else { return }
    }
    let begun = ContinuousClock.now
    pace = try queue.pace()
    backlog = try queue.backlog(filter)
    read = (counts, now, (ContinuousClock.now - begun) / .seconds(1))
  }
}

extension RenderPace {
  /// Takes the pace of a job at work for that of its model, if no job of it is done yet.
  fileprivate mutating func learn(_ job: JobSummary) {
    guard !knows(job.model), let pixels = job.pixels, pixels > 0,
      let pace = job.images.compactMap(\.secondsPerStep).last, pace > 0, pace.isFinite
    else { return }
    add(model: job.model, pixels: pixels, [Sample(steps: 1, seconds: pace, weight: 1)])
  }

  /// Seconds that a job at work still needs. At its beginning the history says it, because the first steps also read the
  /// model; the further it is, the more its own steps do.
  fileprivate func secondsLeft(of job: JobSummary, now: Date) -> Double? {
    let measured = job.secondsLeft(now: now)
    guard job.askedSteps > 0, job.steps > 0 else { return measured }
    let share = min(1, Double(job.step) / Double(job.steps))
    let (steps, images) = (Double(job.askedSteps), Double(job.images.count))
    let whole =
      seconds(model: job.model, pixels: job.pixels, steps: steps, images: images)
      ?? (measured == nil ? secondsOfAny(pixels: job.pixels, steps: steps, images: images) : nil)
    guard let whole else { return measured }
    let known = whole * (1 - share)
    return measured.map { $0 * share + known * (1 - share) } ?? known
  }
}
