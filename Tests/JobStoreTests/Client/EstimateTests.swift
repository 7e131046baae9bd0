import Foundation
import JobStore
import Requests
import Testing

/// How long a queue will take.
@Suite struct EstimateTests {
  /// Somebody who looks every minute.
  private struct Watcher {
    let queue: TestQueue
    let begun: Milliseconds
    var estimate = QueueEstimate()
    /// Seconds of the whole queue, as it looked at each minute.
    private(set) var totals: [Double] = []
    /// The same if all jobs took as long as the one at work.
    private(set) var naive: [Double] = []

    init(_ queue: TestQueue) {
      (self.queue, begun) = (queue, queue.now)
    }

    var elapsed: Double { Double(queue.now - begun) / 1000 }

    mutating func look() throws {
      let now = Date(milliseconds: queue.now)
      let left = try #require(try estimate.secondsLeft(queue.client, now: now))
      totals.append(elapsed + left)
      var running = JobFilter()
      running.states = [.running]
      guard let job = try queue.client.list(running).first, let start = job.startedAt,
        let rest = job.secondsLeft(now: now)
      else { return }
      let whole = rest + Double(queue.now - start) / 1000
      naive.append(elapsed + rest + whole * Double(try queue.client.status().counts.queued))
    }

    /// The largest change from one look to the next, as a share.
    static func jump(_ totals: [Double]) -> Double {
      zip(totals, totals.dropFirst()).map { abs($1 / $0 - 1) }.max() ?? .infinity
    }
  }

  /// Renders the next job as it was recorded.
  /// - Parameters:
  ///   - job: as recorded.
  ///   - queue: its next job is this one.
  ///   - look: called every minute, if given.
  private func render(
    _ job: RecordedQueue.Job, _ queue: TestQueue, _ look: (() throws -> Void)? = nil
  ) throws {
    let session = try queue.session()
    let claimed = try #require(try session.claim())
    let begun = queue.now
    let steps = job.request.render.steps
    func report() throws {
      try session.renew(claimed.lease)
      var from = Double(begun) / 1000 + job.loading
      for (index, seconds) in job.images.enumerated() {
        let now = Double(queue.now) / 1000
        guard now > from else { return }
        // The last tenth of an image is decoding.
        let step = min(steps, Int((now - from) / (seconds * 0.9) * Double(steps)))
        let isDone = now >= from + seconds
        let pace = step > 0 && step < steps ? (now - from) / Double(step) : nil
        try session.report(
          ImageProgress(
            index: index, phase: isDone ? .done : step < steps ? .denoising : .decoding, step: step,
            steps: steps,
            secondsPerStep: pace,
            expectedEnd: pace.map { queue.now + Milliseconds($0 * Double(steps - step) * 1000) }),
          claimed.lease)
        from += seconds
      }
    }
    var left = job.whole
    while left > 0 {
      // Minutes of the clock, whenever jobs begin.
      let pause = min(left, 60 - Double(queue.now % 60_000) / 1000)
      queue.pass(seconds: pause)
      left -= pause
      guard left > 0 else { break }
      try report()
      if queue.now % 60_000 == 0 { try look?() }
    }
    let images = job.images.enumerated().map { index, seconds in
      var record = image(index, of: claimed.job.id)
      record.seconds = seconds
      return record
    }
    try session.finish(claimed.lease, images: images, statistics: RenderStatistics())
  }

  /// Every third job was done before, the others are queued: from one minute to the next the estimate of the whole
  /// changes by a fifth at most, and it is never far from the truth.
  @Test func aMixedQueueDoesNotJump() throws {
    let queue = try TestQueue()
    let recorded = try RecordedQueue.jobs()
    #expect(recorded.count == 72)
    let history = recorded.enumerated().filter { $0.offset % 3 == 0 }.map(\.element)
    let waiting = recorded.enumerated().filter { $0.offset % 3 != 0 }.map(\.element)
    for job in history {
      _ = try queue.client.enqueue(BatchRequest(), requests: [job.request])
      try render(job, queue)
    }
    _ = try queue.client.enqueue(BatchRequest(), requests: waiting.map(\.request))
    var watcher = Watcher(queue)
    try watcher.look()
    for job in waiting { try render(job, queue) { try watcher.look() } }
    let truth = watcher.elapsed
    #expect(watcher.totals.count > 60)
    let jump = Watcher.jump(watcher.totals)
    #expect(jump <= 0.2, "\(watcher.totals)")
    let worst = watcher.totals.map { abs($0 / truth - 1) }.max() ?? .infinity
    #expect(worst <= 0.5, "\(truth): \(watcher.totals)")
    // The recording is a hard one: as long as the job at work, all of them, jumps.
    #expect(Watcher.jump(watcher.naive) > 0.5)
    print(
      "mixed queue: largest change \(jump), farthest from the truth \(worst), naive \(Watcher.jump(watcher.naive))"
    )
  }

  /// A queue in which jobs of 25 steps of the model `demo` take ten seconds.
  private func known() throws -> TestQueue {
    let queue = try TestQueue()
    for _ in 0..<3 { try finish(queue, enqueue(queue), after: 10) }
    return queue
  }

  /// Queues jobs, in a batch of their own.
  @discardableResult
  private func enqueue(
    _ queue: TestQueue, jobs: Int = 1, model: String = "demo", priority: Int = 0,
    _ change: (inout RenderRequest) -> Void = { _ in }
  ) throws -> EnqueuedBatch {
    var request = request("a", model: model, priority: priority)
    change(&request.render)
    return try queue.client.enqueue(BatchRequest(), requests: Array(repeating: request, count: jobs))
  }

  /// Renders the next job, which must be of a batch.
  private func finish(_ queue: TestQueue, _ batch: EnqueuedBatch, after seconds: Double, alike: Bool = true)
    throws
  {
    let claimed = try #require(try queue.claim())
    #expect(batch.jobs.contains(claimed.job.id))
    queue.pass(seconds: seconds)
    let count = claimed.request.render.count
    let images = (0..<count).map { index in
      var record = image(index, of: claimed.job.id)
      record.seconds = alike ? seconds / Double(count) : seconds
      return record
    }
    try queue.session().finish(claimed.lease, images: images, statistics: RenderStatistics())
  }

  private func left(_ queue: TestQueue, _ filter: JobFilter = JobFilter()) throws -> Double? {
    var estimate = QueueEstimate(filter)
    return try estimate.secondsLeft(queue.client, now: Date(milliseconds: queue.now))
  }

  private func isNear(_ found: Double?, _ wanted: Double) -> Bool {
    found.map { abs($0 - wanted) < 1e-6 } ?? false
  }

  /// A batch is over when what goes before it is, too; of the others what is held does not.
  @Test func aBatchWaitsForWhatGoesBeforeIt() throws {
    let queue = try known()
    let first = try enqueue(queue, jobs: 2)
    let batch = try enqueue(queue, jobs: 3)
    try enqueue(queue, jobs: 1, priority: 5)
    try enqueue(queue, jobs: 4)
    var (mine, one) = (JobFilter(), JobFilter())
    mine.batch = batch.batch
    one.jobs = [batch.jobs.lowerBound]
    #expect(try isNear(left(queue), 100))
    #expect(try isNear(left(queue, mine), 60) && isNear(left(queue, one), 40))
    try queue.client.setPaused(true, batch: first.batch)
    #expect(try isNear(left(queue, mine), 40) && isNear(left(queue, one), 20))
    #expect(try isNear(left(queue), 100))
    var none = JobFilter()
    none.jobs = [1]
    #expect(try left(queue, none) == nil)
  }

  /// By steps, size and count; a model of which nothing is done is taken for one of the others.
  @Test func jobsOfOtherKinds() throws {
    let queue = try known()
    // Ten seconds of 25 steps and 20 of 75: five besides the steps.
    try finish(queue, enqueue(queue) { $0.steps = 75 }, after: 20)
    for (seconds, change) in [
      (15, { $0.steps = 50 }), (25, { $0.steps = 100 }), (30, { ($0.steps, $0.count) = (50, 2) }),
      (30, { ($0.steps, $0.height) = (50, 1024) }), (15, { ($0.steps, $0.model) = (50, "other") }),
    ] as [(Double, (inout RenderRequest) -> Void)] {
      let batch = try enqueue(queue, change)
      let found = try left(queue)
      #expect(isNear(found, seconds), "\(String(describing: found)) for \(seconds)")
      var asked = request("a").render
      change(&asked)
      // Before anything is queued, nobody guesses.
      let pace = try queue.client.pace().seconds(for: asked)
      #expect(asked.model == "demo" ? isNear(pace, seconds) : pace == nil)
      _ = try queue.client.cancel(batch: batch.batch)
    }
  }

  /// Pictures that go through the model together take a job no longer than it took.
  @Test func picturesThatGoTogether() throws {
    let queue = try TestQueue()
    try finish(queue, enqueue(queue) { $0.count = 4 }, after: 40, alike: false)
    try enqueue(queue) { $0.count = 2 }
    #expect(try isNear(left(queue), 20))
  }

  /// Two workers take half as long, but never less than the job at work; between two jobs of a worker nothing jumps.
  @Test func twoWorkers() throws {
    let queue = try known()
    _ = try queue.session("other")
    try enqueue(queue, jobs: 5)
    #expect(try isNear(left(queue), 25))
    var estimate = QueueEstimate()
    func look() throws -> Double? {
      try estimate.secondsLeft(queue.client, now: Date(milliseconds: queue.now))
    }
    let (one, two) = (try #require(try queue.claim("w")), try #require(try queue.claim("other")))
    #expect(try isNear(look(), 25))
    queue.pass(seconds: 2)
    // A method with two calls a step.
    let progress = ImageProgress(
      index: 0, phase: .denoising, step: 10, steps: 50, secondsPerStep: 0.2, expectedEnd: queue.now + 8000)
    for claimed in [one, two] {
      try queue.session(claimed.lease.worker).report(progress, claimed.lease)
    }
    #expect(try isNear(look(), (8 + 8 + 30) / 2))
    queue.pass(seconds: 8)
    var done = image(0, of: one.job.id)
    done.seconds = 10
    try queue.session("w").finish(one.lease, images: [done], statistics: RenderStatistics())
    // The other one is late: it has taken a fifth of its steps, and by them it should be done.
    #expect(try isNear(look(), (0.2 * 0 + 0.8 * 8 + 30) / 2))
  }

  /// Before a step is taken and with nothing like it done, nobody knows; then the step says it.
  @Test func withoutAnyHistory() throws {
    let queue = try TestQueue()
    try enqueue(queue, jobs: 3)
    #expect(try left(queue) == nil)
    let claimed = try #require(try queue.claim())
    #expect(try left(queue) == nil)
    let progress = ImageProgress(
      index: 0, phase: .denoising, step: 5, steps: 25, secondsPerStep: 2, expectedEnd: queue.now + 40_000)
    try queue.session().report(progress, claimed.lease)
    // 20 of its steps are left; the others have 25 each.
    #expect(try isNear(left(queue), 0.2 * 40 + 0.8 * 40 + 100))
  }

  /// Rows that no program writes are no history.
  @Test(arguments: [
    "UPDATE images SET seconds = 9e999", "UPDATE images SET seconds = -1e300",
    "UPDATE images SET seconds = 0",
    "UPDATE jobs SET started_at = 9223372036854775807 WHERE state = 'done'",
    "UPDATE jobs SET finished_at = -9223372036854775807 WHERE state = 'done'",
    "UPDATE jobs SET width = 9223372036854775807, height = 9223372036854775807 WHERE state = 'queued'",
    "UPDATE jobs SET steps = 9223372036854775807, count = 9223372036854775807 WHERE state = 'queued'",
    "UPDATE jobs SET steps = -1, width = -1 WHERE state = 'queued'",
  ])
  func absurdRows(change: String) throws {
    let queue = try known()
    try enqueue(queue, jobs: 2)
    try queue.sql {
      try $0.execute(sql: "PRAGMA ignore_check_constraints = ON")
      try $0.execute(sql: change)
    }
    let found = try left(queue)
    #expect(found.map { $0 >= 0 } ?? true)
  }
}
