import Foundation
import JobStore
import Testing

/// How quick the queue is, printed for a person to judge: tests must not depend on the machine.
///
///     SEGMOE_BENCHMARK_DEPTHS=1000,1000000 swift test -c release --filter QueueBenchmark
@Suite(.enabled(if: ProcessInfo.processInfo.environment["SEGMOE_BENCHMARK_DEPTHS"] != nil), .serialized)
struct QueueBenchmark {
  private static var depths: [Int] {
    let text = ProcessInfo.processInfo.environment["SEGMOE_BENCHMARK_DEPTHS"] ?? ""
    return text.split(separator: ",").compactMap { Int($0) }
  }

  /// A queue of some depth, with a job that is claimed once `lease` is there.
  private final class DeepQueue {
    let depth: Int
    let queue: TestQueue
    var lease: Lease?
    var lines: [String] = []

    init(depth: Int) throws {
      self.depth = depth
      queue = try TestQueue()
      var left = depth
      let enqueue = try ContinuousClock().measure {
        _ = try queue.client.enqueue(BatchRequest()) {
          left -= 1
          return left < 0 ? nil : request("a red fox in deep snow, number \(left)", model: "m\(left % 2)")
        }
      }
      lines.append("depth \(depth): enqueue \(enqueue)")
    }

    func claim() throws -> Lease { try #require(try queue.claim(preferring: ["m1"])).lease }
  }

  @Test func atEveryDepth() throws {
    let queues = try Self.depths.map(DeepQueue.init(depth:))
    // What is in a lease's way costs a sync to disk; the reading is what could grow with the depth.
    try time("claim and give back", queues) { try $0.queue.session().giveBack($0.claim()) }
    for queue in queues { queue.lease = try queue.claim() }
    let progress = ImageProgress(index: 0, phase: .denoising, step: 1, steps: 25)
    try time("report", queues) { try $0.queue.session().report(progress, #require($0.lease)) }
    try time("renew", queues) { try $0.queue.session().renew(#require($0.lease)) }
    try time("status", queues) { _ = try $0.queue.client.status() }
    try time("nextDue", queues) { _ = try $0.queue.session().nextDue() }
    try time("changeMark", queues) { _ = try $0.queue.client.changeMark() }
    var newest = JobFilter()
    newest.limit = 100
    try time("list 100", queues) { _ = try $0.queue.client.list(newest) }
    newest.batch = 1
    try time("list 100 of a batch", queues) { _ = try $0.queue.client.list(newest) }
    newest.states = [.running]
    try time("list running of a batch", queues) { _ = try $0.queue.client.list(newest) }
    newest.states = [.failed, .queued]
    try time("list 100 failed or queued of a batch", queues) { _ = try $0.queue.client.list(newest) }
    print(queues.flatMap(\.lines).joined(separator: "\n"))
  }

  /// Notes the median of some runs for each queue, after one that warms up. One queue after the other in every
  /// round: a disk that is slower for a while is so for all of them.
  private func time(_ what: String, _ queues: [DeepQueue], _ body: (DeepQueue) throws -> Void) throws {
    var runs = queues.map { _ in [Duration]() }
    for round in 0...41 {
      for (index, queue) in queues.enumerated() {
        let took = try ContinuousClock().measure { try body(queue) }
        if round > 0 { runs[index].append(took) }
      }
    }
    for (queue, runs) in zip(queues, runs) { queue.lines.append("  \(what): \(runs.sorted()[20])") }
  }
}
