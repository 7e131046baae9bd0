import Foundation
import JobStore
import Requests
import TestSupport
import Testing

/// Daemons whose memory is short: the same pictures whatever the budget, the policy and how many go together,
/// never more than the budget, and files that change while weights are read from them.
@Suite(.serialized, .enabled(if: ProcessInfo.processInfo.environment["SEGMOE_SANITIZER"] == nil))
struct BudgetSweepTests {
  /// Jobs of one model and size that differ in all else.
  private func enqueue(_ house: DaemonHouse) throws -> [Int64] {
    let schedulers: [SchedulerName] = [.ddpm, .euler, .lms, .heun]
    return try schedulers.enumerated().map { index, scheduler in
      try house.enqueue("picture \(index)") {
        $0.model = "all-3x2"
        $0.scheduler = scheduler
        $0.steps = 3 + index
        $0.count = index == 1 ? 2 : 1
        $0.seed = UInt64(index)
        $0.guidance = index == 3 ? 1 : 5
        $0.width = 128
        $0.height = 72
      }
    }
  }

  private func house() throws -> DaemonHouse {
    let house = try DaemonHouse()
    try house.addModel("all-3x2")
    return house
  }

  private func drain(_ house: DaemonHouse, _ environment: [String: String]) throws {
    try RealDaemon.drain(house, environment: environment)
  }

  /// The smallest budget, as a refused job's error names it, in MiB.
  private func smallest() throws -> Int {
    let house = try house()
    let job = try enqueue(house)[0]
    try drain(house, ["SEGMOE_MEMORY_BUDGET": "112MiB"])
    let refused = try house.job(job)
    #expect(refused.state == .failed && refused.attempts == 1)
    let found = try #require(refused.failure?.message).firstMatch(of: /smallest that would do is (\d+) MiB/)
    return try #require(found.flatMap { Int($0.1) })
  }

  @Test func neitherBudgetNorPolicyNorCompanyShows() throws {
    let free = try house()
    let alone = try enqueue(free)
    try drain(free, ["SEGMOE_COALESCE": "1"])
    let wanted = try free.pictures(alone)
    let smallest = try smallest()
    for policy in ["next-use", "lru", "pin-first"] {
      for (over, together) in [(0, "1"), (4, "3"), (4, nil), (60, "7")] {
        let house = try house()
        let jobs = try enqueue(house)
        let budget = smallest + over
        try drain(
          house,
          ["SEGMOE_MEMORY_BUDGET": "\(budget)MiB", "SEGMOE_CACHE_POLICY": policy]
            .merging(together.map { ["SEGMOE_COALESCE": $0] } ?? [:]) { $1 })
        let label = "\(policy), \(budget) MiB, \(together ?? "as it pays") together"
        #expect(try house.pictures(jobs) == wanted, "\(label)")
        for job in jobs {
          let statistics = try #require(try house.job(job).completion?.statistics)
          #expect(statistics.peakBytes <= Int64(budget) << 20, "\(label): \(statistics.peakBytes >> 20) MiB")
          #expect(statistics.cacheHits + statistics.cacheMisses > 100)
        }
      }
    }
  }

  /// Two jobs side by side have one budget. Whether both fit, or one waits until the other is over, does not show.
  @Test(arguments: [64, 512]) func jobsSideBySideHaveOneBudget(over: Int) throws {
    let free = try house()
    let alone = try enqueue(free)
    try drain(free, ["SEGMOE_COALESCE": "1"])
    let house = try house()
    let jobs = try enqueue(house)
    let budget = try smallest() + over
    try drain(house, ["SEGMOE_MEMORY_BUDGET": "\(budget)MiB", "SEGMOE_JOBS": "2"])
    #expect(try house.pictures(jobs) == free.pictures(alone))
    for job in jobs {
      let peak = try #require(try house.job(job).completion?.statistics?.peakBytes)
      #expect(peak <= Int64(budget) << 20, "\(budget) MiB: \(peak >> 20) MiB")
      #expect(try house.job(job).attempts == 1)
    }
  }

  /// A job with a budget of its own runs alone, and the others after it have theirs again.
  @Test(.enabled(if: FaultLibrary.isThere)) func aBudgetOfItsOwnBesideOthers() throws {
    let house = try house()
    let own = try smallest() + 60
    let jobs = try [nil, own, nil, own, nil].map { budget in
      try house.enqueue {
        $0.model = "all-3x2"
        $0.steps = 100
        $0.memoryBudget = budget.map { ByteCount(bytes: $0 << 20) }
      }
    }
    let alone: Set<Int64> = [jobs[1], jobs[3]]
    var seen: Set<Int64> = []
    let daemon = try RealDaemon(
      house, drain: true, faults: [RealDaemon.beforeEachReport], environment: ["SEGMOE_JOBS": "3"])
    // Whenever it says that a step is taken, it stands still, and what it has said before can be looked at.
    let stands = try daemon.goOn {
      let atWork = Set(try house.client.list().filter { $0.state == .running && $0.step > 0 }.map(\.id))
      if !alone.isDisjoint(with: atWork) { #expect(atWork.count == 1, "\(atWork)") }
      seen.formUnion(atWork)
      return false
    }
    #expect(!stands && daemon.end() == 0, "\(daemon.account)")
    #expect(seen == Set(jobs))
    for job in alone {
      let peak = try #require(try house.job(job).completion?.statistics?.peakBytes)
      #expect(peak <= Int64(own) << 20, "\(own) MiB: \(peak >> 20) MiB")
    }
    let pictures = try jobs.map { try house.pictures([$0]) }
    #expect(pictures.allSatisfy { $0 == pictures[0] })
    let events = try house.client.events(after: .start).events.filter { [.done, .failed].contains($0.kind) }
    #expect(events.count == jobs.count)
  }

  /// A job may ask for less than its daemon has, and is refused like any other if that is too little.
  @Test func aJobMayHaveABudgetOfItsOwn() throws {
    let house = try house()
    let smallest = try smallest()
    func job(_ budget: Int64?) throws -> Int64 {
      try house.enqueue {
        $0.model = "all-3x2"
        $0.memoryBudget = budget.map { ByteCount(bytes: Int($0)) }
      }
    }
    let jobs = [try job(nil), try job(Int64(smallest + 30) << 20), try job(1 << 20), try job(nil)]
    try drain(house, [:])
    #expect(try jobs.map { try house.job($0).state } == [.done, .done, .failed, .done])
    #expect(try house.job(jobs[2]).failure?.message.contains("memory budget of 1 MiB") == true)
    let digests = try [jobs[0], jobs[1], jobs[3]].map { try house.pictures([$0]) }
    #expect(digests[0] == digests[1] && digests[1] == digests[2])
  }

  /// A file that is cut or written to while a job streams from it fails that job with the reason; the daemon
  /// goes on with others, and with this model once it is whole again.
  @Test(arguments: ["cut short", "written to"]) func aChangedFileFailsTheJobAlone(_ fault: String) throws {
    let house = try house()
    let smallest = try smallest()
    // More than it takes to change a file.
    let job = try house.enqueue {
      $0.model = "all-3x2"
      ($0.steps, $0.count) = (500, 40)
    }
    let daemon = try RealDaemon(
      house, environment: ["SEGMOE_MEMORY_BUDGET": "\(smallest)MiB", "SEGMOE_MODEL_PATIENCE": "3"])
    try house.wait { try house.client.details(job: job).summary.step > 3 }
    let file = house.models + "/all-3x2/unet/diffusion_pytorch_model.safetensors"
    let whole = try Data(contentsOf: URL(fileURLWithPath: file))
    let handle = try #require(FileHandle(forWritingAtPath: file))
    if fault == "cut short" {
      try handle.truncate(atOffset: UInt64(whole.count / 2))
    } else {
      try handle.seek(toOffset: UInt64(whole.count - 100))
      try handle.write(contentsOf: Data(repeating: 0x7F, count: 100))
    }
    try handle.close()
    try house.wait { try house.job(job).state == .failed }
    #expect(try house.job(job).failure?.message.contains("was changed or replaced while in use") == true)
    let other = try house.enqueue()
    try house.wait { try house.job(other).state == .done }
    try whole.write(to: URL(fileURLWithPath: file))
    let again = try house.enqueue { $0.model = "all-3x2" }
    // The model may be held for a while after a fault, and a slow daemon's patience may be over.
    try house.wait {
      for job in try house.client.list() where job.runAfter != nil || job.id == again && job.state == .failed
      {
        try? house.client.retry(job: job.id)
      }
      return try house.job(again).state == .done || !daemon.isRunning
    }
    #expect(daemon.isRunning, "\(daemon.account)")
    #expect(daemon.stop() == 0, "\(daemon.account)")
  }
}
