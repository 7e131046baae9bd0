import GRDB
import JobStore
import TestSupport
import Testing

/// Many random moves of several workers and people; after each some things have to hold.
@Suite struct InvariantTests {
  private struct Moves {
    var random: RandomNumbers
    var leases: [Lease] = []

    mutating func make(_ queue: TestQueue) throws {
      let job = Int64.random(in: 1...20, using: &random)
      // What one move refuses (a lost lease, a wrong state) is as good as another move.
      do {
        switch Int.random(in: 0..<12, using: &random) {
        case 0, 1, 2:
          if let claimed = try queue.claim("w\(Int.random(in: 0..<3, using: &random))") {
            leases.append(claimed.lease)
          }
        case 3:
          if let lease = pick() {
            try queue.session().finish(lease, images: [image(0)], statistics: RenderStatistics())
          }
        case 4:
          let kind = FailureKind.allCases.randomElement(using: &random) ?? .transient
          if let lease = pick() {
            try queue.session().fail(lease, message: "m", kind: kind == .lost ? .model : kind)
          }
        case 5: if let lease = pick() { try queue.session().giveBack(lease) }
        case 6: _ = try queue.client.cancel(job: job)
        case 7: try queue.client.retry(job: job)
        case 8: queue.pass(seconds: Double(Int.random(in: 1...90, using: &random)))
        case 9:
          try queue.client.setPaused(
            Bool.random(using: &random), batch: Int64.random(in: 1...2, using: &random))
        case 10: try queue.client.setPriority(Int.random(in: 0...3, using: &random), job: job)
        default: if let lease = pick() { try queue.session().cancelled(lease) }
        }
      } catch JobStoreError.leaseLost, JobStoreError.wrongState {}
    }

    /// Any lease ever given out, late ones included.
    private mutating func pick() -> Lease? { leases.randomElement(using: &random) }
  }

  @Test(arguments: 0..<6)
  func holdAfterEveryMove(seed: UInt64) throws {
    let queue = try TestQueue()
    _ = try queue.client.enqueue(BatchRequest(), requests: (0..<10).map { request("\($0)", model: "a") })
    _ = try queue.client.enqueue(BatchRequest(), requests: (0..<10).map { request("\($0)", model: "b") })
    var moves = Moves(random: RandomNumbers(seed: seed))
    for _ in 0..<200 {
      try moves.make(queue)
      let jobs = try queue.client.list()
      #expect(jobs.count == 20)
      #expect(jobs.allSatisfy { $0.attempts <= $0.maxAttempts })
      #expect(jobs.allSatisfy { ($0.state == .running) == ($0.tenure != nil) })
      #expect(jobs.allSatisfy { ($0.images.first?.path != nil) == ($0.state == .done) })
      #expect(jobs.allSatisfy { ($0.finishedAt == nil) == $0.state.isOpen })
      #expect(try queue.client.status().counts == StateCounts(jobs.map(\.state)))
    }
    let batches = try queue.client.batches(limit: 2)
    let jobs = try queue.client.list()
    for batch in batches {
      #expect(batch.counts == StateCounts(jobs.filter { $0.batch == batch.id }.map(\.state)))
    }
    #expect(try queue.sql { try String.fetchOne($0, sql: "PRAGMA integrity_check") } == "ok")
    #expect(!moves.leases.isEmpty)
  }
}
