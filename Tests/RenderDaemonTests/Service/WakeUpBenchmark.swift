import Foundation
import JobStore
import Testing

/// How soon a waiting daemon takes a job that another process enqueues, and what waiting costs; printed for a
/// person to judge (`Benchmarks/queue`).
@Suite(
  .enabled(if: ProcessInfo.processInfo.environment["SEGMOE_BENCHMARK_WAKE_UPS"] != nil), .serialized)
struct WakeUpBenchmark {
  @Test func wakeUpAndIdleShare() throws {
    let house = try DaemonHouse()
    let environment = ProcessInfo.processInfo.environment
    let wanted = environment["SEGMOE_BENCHMARK_WAKE_UPS"].flatMap { Int($0) } ?? 50
    let idle = environment["SEGMOE_BENCHMARK_IDLE"].flatMap { Double($0) } ?? 20
    let daemon = try RealDaemon(house)
    // Loads the model.
    let first = try house.enqueue()
    try house.wait { try house.job(first).state == .done }
    var waits: [Double] = []
    for _ in 0..<wanted {
      // Anywhere between two looks.
      Thread.sleep(forTimeInterval: .random(in: 0.05...0.1))
      let job = try house.enqueue { $0.steps = 1 }
      let committed = SteadyClock.now
      while try house.client.details(job: job).job.state == .queued {}
      waits.append((SteadyClock.now - committed) * 1000)
      try house.wait { try house.job(job).state == .done }
    }
    waits.sort()
    print(
      String(
        format:
          "wake-up, from an enqueue's commit to the claim's: median %.1f ms, 95%% %.1f ms, worst %.1f ms",
        waits[waits.count / 2], waits[waits.count * 95 / 100], waits[waits.count - 1]))
    Thread.sleep(forTimeInterval: 1)
    let (begun, before) = (SteadyClock.now, try daemon.processorSeconds())
    Thread.sleep(forTimeInterval: idle)
    let share = (try daemon.processorSeconds() - before) / (SteadyClock.now - begun)
    print(String(format: "idle: %.2f%% of a core", share * 100))
    #expect(daemon.stop() == 0)
  }
}

/// Seconds on a clock that only goes forward.
private enum SteadyClock {
  static var now: Double { ProcessInfo.processInfo.systemUptime }
}
