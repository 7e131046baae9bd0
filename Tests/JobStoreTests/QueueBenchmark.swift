import Foundation
import JobStore
import Testing

/// How quick the queue is, printed for a person to judge: tests must not depend on the machine.
///
///     SEGMOE_BENCHMARK_DEPTHS=1000,1000000 swift test -c release --filter QueueBenchmark
@Suite(.enabled(if: ProcessInfo.processInfo.environment["SEGMOE_BENCHMARK_DEPTHS"] != nil), .serialized)
struct QueueBenchmark {
  static var depths: [Int] {
    let text = ProcessInfo.processInfo.environment["SEGMOE_BENCHMARK_DEPTHS"] ?? ""
    return text.split(separator: ",").compactMap { Int($0) }
  }

  @Test(arguments: depths)
  func atDepth(_ depth: Int) throws {
    let queue = try TestQueue()
    var left = depth
    let clock = ContinuousClock()
    let enqueue = try clock.measure {
      _ = try queue.store.enqueue(BatchRequest()) {
        left -= 1
        return left < 0 ? nil : request("a red fox in deep snow, number \(left)", model: "m\(left % 2)")
      }
    }
    print("depth \(depth): enqueue \(enqueue)")
    // What is in a lease's way costs a sync to disk; the reading is what could grow with the depth.
    var leases: [Lease] = []
    try time("claim and give back") {
      let claimed = try #require(try queue.claim(preferring: ["m1"]))
      leases.append(claimed.lease)
      try queue.store.giveBack(claimed.lease)
    }
    let claimed = try #require(try queue.claim(preferring: ["m1"]))
    let progress = ImageProgress(index: 0, phase: .denoising, step: 1, steps: 25)
    try time("report") { try queue.store.report(progress, claimed.lease) }
    try time("renew") { try queue.store.renew(claimed.lease, for: 60) }
    try time("status") { _ = try queue.store.status() }
    try time("nextDue") { _ = try queue.store.nextDue() }
    try time("dataVersion") { _ = try queue.store.dataVersion() }
    var newest = JobFilter()
    newest.limit = 100
    try time("list 100") { _ = try queue.store.list(newest) }
    newest.batch = 1
    try time("list 100 of a batch") { _ = try queue.store.list(newest) }
    newest.states = [.running]
    try time("list running of a batch") { _ = try queue.store.list(newest) }
    newest.states = [.failed, .queued]
    try time("list 100 failed or queued of a batch") { _ = try queue.store.list(newest) }
  }

  /// The median of some runs, after one that warms up.
  private func time(_ what: String, _ body: () throws -> Void) throws {
    try body()
    let runs = try (0..<21).map { _ in try ContinuousClock().measure(body) }.sorted()
    print("  \(what): \(runs[10])")
  }
}
