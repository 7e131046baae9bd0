import Foundation
import GRDB
import JobStore
import Synchronization
import Testing

/// Whose fault it is when a worker vanishes.
@Suite struct LossTests {
  /// A hundred reboots of a machine that renders one long job: each attempt gets a little further.
  @Test func aJobThatMovesForwardSurvivesAHundredKills() throws {
    let queue = try TestQueue()
    try queue.enqueue("long")
    for kill in 1...100 {
      let claimed = try #require(try queue.claim(), "set aside after \(kill - 1) kills")
      #expect(claimed.job.attempts == 1 && claimed.job.losses == 0)
      if kill % 2 == 0 {
        try queue.session().keep(Data([1]), step: kill, index: 0, modelDigest: "m", claimed.lease)
      } else {
        try queue.session().report(
          ImageProgress(index: 0, phase: .denoising, step: kill, steps: 1000), claimed.lease)
      }
      queue.pass(seconds: 61)
    }
    try queue.session().finish(
      #require(try queue.claim()).lease, images: [image(0)], statistics: RenderStatistics())
    #expect(try queue.state(1) == .done)
  }

  /// Where each attempt dies, and after which of them the job is set aside.
  @Test(arguments: [
    ([0, 0, 0], 3), ([9, 9, 9, 9], 4), ([9, 4, 8, 9], 4), ([5, 4, 6, 5, 7, 7, 7, 7], 8),
    ([1, 2, 2, 2, 2], 5),
  ])
  func aLossCountsIfTheJobGotNoFurther(steps: [Int], last: Int) throws {
    let queue = try TestQueue()
    try queue.enqueue("poison")
    for (index, step) in steps.enumerated() {
      let claimed = try #require(try queue.claim(), "attempt \(index + 1) of \(steps)")
      if step > 0 {
        try queue.session().report(
          ImageProgress(index: 0, phase: .denoising, step: step, steps: 25), claimed.lease)
      }
      queue.pass(seconds: 61)
    }
    #expect(steps.count == last)
    #expect(try queue.claim() == nil)
    let job = try queue.client.details(job: 1).job
    #expect(job.state == .failed && job.losses == WorkerSession.lossLimit && job.failure?.kind == .lost)
  }

  /// A report may be ahead of what is saved. Who saves more than before has moved forward, whatever was reported; who
  /// saves no more has not.
  @Test func whatIsSavedCountsBesideWhatIsReported() throws {
    let queue = try TestQueue()
    var request = request("long")
    request.maxAttempts = 1
    _ = try queue.client.enqueue(BatchRequest(), requests: [request])
    for saved in [9, 10, 11] {
      let claimed = try #require(try queue.claim(), "set aside at \(saved) saved steps")
      #expect(claimed.job.attempts == 1 && claimed.job.losses == 0)
      try queue.session().keep(Data([1]), step: saved, index: 0, modelDigest: "m", claimed.lease)
      try queue.session().report(
        ImageProgress(index: 0, phase: .denoising, step: 12, steps: 25), claimed.lease)
      queue.pass(seconds: 61)
    }
    let claimed = try #require(try queue.claim())
    try queue.session().report(
      ImageProgress(index: 0, phase: .denoising, step: 12, steps: 25), claimed.lease)
    queue.pass(seconds: 61)
    #expect(try queue.claim() == nil)
    #expect(try queue.client.details(job: 1).job.losses == 1)
  }

  /// Somebody holds the write lock for longer than a lease: living workers could not renew, and keep their jobs.
  @Test func whoWaitedForTheLockTakesNothingAway() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let mine = try #require(try queue.claim("alive")).lease
    let (locked, asked) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    let isHeld = Mutex(false)
    let thief = try queue.anotherSession("other", lease: 3600) { statement in
      if isHeld.withLock({ $0 }), statement.hasPrefix("BEGIN IMMEDIATE") { asked.signal() }
    }
    let holder = Thread { [path = queue.path] in
      try? DatabaseQueue(path: path).inTransaction(.immediate) { db in
        isHeld.withLock { $0 = true }
        locked.signal()
        // From when the thief asks for the lock.
        asked.wait()
        Thread.sleep(forTimeInterval: 0.7)
        return .commit
      }
    }
    holder.start()
    locked.wait()
    queue.pass(seconds: 3600)
    #expect(try thief.claim() == nil)
    #expect(try queue.session("alive").renew(mine) == .carryOn)
    // It is not so for ever: whoever does not renew now is dead.
    queue.pass(seconds: 61)
    #expect(try thief.claim()?.job.id == 1)
  }

  /// The same, by a daemon whose attempts each give up soon: it waited as long as all of them.
  @Test func whoWaitedInPiecesTakesNothingAwayEither() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b")
    let mine = try #require(try queue.claim("alive")).lease
    let other = try queue.anotherSession("other", lease: 3600)
    let own = try #require(try other.claim()).lease
    let (locked, free) = (DispatchSemaphore(value: 0), DispatchSemaphore(value: 0))
    let holder = Thread { [path = queue.path] in
      try? DatabaseQueue(path: path).inTransaction(.immediate) { db in
        locked.signal()
        free.wait()
        return .commit
      }
    }
    holder.start()
    locked.wait()
    let progress = ImageProgress(index: 0, phase: .denoising, step: 1, steps: 9)
    // None of them waits long; together it is more than what a lease forgives.
    for _ in 0..<30 {
      let error = storeError { try other.report(progress, waiting: 0.02, own) }
      #expect(error == .busy(path: queue.path))
    }
    free.signal()
    queue.pass(seconds: 3600)
    #expect(try other.claim() == nil)
    #expect(try queue.session("alive").renew(mine) == .carryOn)
    queue.pass(seconds: 61)
    #expect(try other.claim() != nil)
  }

  /// Reports, checkpoints and renewals give up while somebody else still holds the lock: the newest is tried again.
  @Test func whatIsSaidOfARenderDoesNotWaitLong() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let lease = try #require(try queue.claim()).lease
    let (session, busy) = (try queue.session(), JobStoreError.busy(path: queue.path))
    let progress = ImageProgress(index: 0, phase: .denoising, step: 1, steps: 9)
    var (refusals, wasHeld): ([JobStoreError?], Bool) = ([], false)
    // Once more if this thread stood still until the lock was free: then its answers mean nothing.
    for _ in 0..<5 where !wasHeld {
      let (locked, free, over) = (
        DispatchSemaphore(value: 0), DispatchSemaphore(value: 0), DispatchSemaphore(value: 0)
      )
      let isFreed = Mutex(false)
      Thread.detachNewThread { [path = queue.path] in
        try? DatabaseQueue(path: path).inTransaction(.immediate) { db in
          locked.signal()
          // Other writes are more patient than that: whoever waits as long as they do gets the lock.
          let isInTime = free.wait(timeout: .now() + 20) == .success
          isFreed.withLock { $0 = isInTime }
          return .commit
        }
        over.signal()
      }
      locked.wait()
      func refusal(_ body: () throws -> Void) throws -> JobStoreError? {
        do {
          try body()
          return nil
        } catch let error as JobStoreError {
          return error
        }
      }
      refusals = [
        try refusal { try session.report(progress, waiting: 0.02, lease) },
        try refusal {
          try session.keep(Data([1]), step: 1, index: 0, modelDigest: "m", waiting: 0.02, lease)
        },
        // Its patience is its own: two seconds.
        try refusal { try session.beat() },
      ]
      #expect(try session.instruction(lease) == .carryOn)
      free.signal()
      over.wait()
      wasHeld = isFreed.withLock { $0 }
    }
    #expect(wasHeld && refusals == [busy, busy, busy])
    #expect(try session.renew(lease) == .carryOn)
    try session.report(progress, lease)
    #expect(try queue.client.list().first?.step == 1)
  }

  /// What a render does itself while it is under way does not wait for whoever holds the lock.
  @Test func aCompanionIsClaimedAtOnceOrNotAtAll() throws {
    let queue = try TestQueue()
    try queue.enqueue("a", "b")
    let claimed = try #require(try queue.claim())
    let (session, busy) = (try queue.session(), JobStoreError.busy(path: queue.path))
    // Held by this very thread: whoever waited for it would do so until it is refused.
    try DatabaseQueue(path: queue.path).inTransaction(.immediate) { _ throws in
      #expect(storeError { _ = try session.claimCompanion(of: claimed.request.render, waits: false) } == busy)
      #expect(try session.instruction(claimed.lease) == .carryOn)
      return .commit
    }
    #expect(try session.claimCompanion(of: claimed.request.render, waits: false)?.job.id == 2)
  }

  /// A thread that waits for the lock has a connection of its own, with the same leases.
  @Test func whoWaitsBesideKeepsNobodyWaiting() throws {
    let queue = try TestQueue()
    try queue.enqueue("a")
    let session = try queue.session()
    let side = try session.beside()
    let lease = try #require(try session.claim()).lease
    #expect(side.leases == [lease])
    try side.keep(Data([1]), step: 1, index: 0, modelDigest: "m", lease)
    #expect(try session.client.checkpoint(job: 1, index: 0) != nil)
    _ = try queue.client.cancel(job: 1)
    try side.beat()
    #expect(session.verdict(of: lease) == .init(cancelled: true))
    session.learn(.init(lost: true), of: lease)
    session.learn(.init(), of: lease)
    #expect(side.verdict(of: lease) == .init(cancelled: true, lost: true))
    side.drop(lease)
    #expect(session.leases.isEmpty)
    try side.close()
    #expect(try session.instruction(lease) == .cancel)
  }
}
