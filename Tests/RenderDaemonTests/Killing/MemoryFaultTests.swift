import Foundation
import Images
import JobStore
import TestSupport
import Testing

/// A system that refuses memory to a daemon at work: the job says so and is tried again, the daemon lives.
@Suite(.serialized) struct MemoryFaultTests {
  private func enqueue(_ house: DaemonHouse, attempts: Int) throws -> Int64 {
    try house.enqueue("a fox", attempts: attempts) {
      // Tensors of some mebibytes, which are pages of their own.
      $0.width = 512
      $0.height = 512
      $0.steps = 3
    }
  }

  /// From the n-th time that it asks for some memory on; two refusals are one, since freed memory is given up
  /// before it asks again. The first two are at its start, before there is a job.
  @Test(.enabled(if: FaultLibrary.isThere), arguments: ["3-4", "6-7", "11-12", "18-29", "22-23", "3-42"])
  func refusedMemoryFailsTheJobAlone(times: String) throws {
    let house = try DaemonHouse()
    let undisturbed = try DaemonHouse()
    let wanted = try enqueue(undisturbed, attempts: 1)
    try undisturbed.worker().run()
    let job = try enqueue(house, attempts: 20)
    let daemon = try RealDaemon(house, worker: "first", faults: ["map:memory:\(times):ENOMEM"])
    try house.wait {
      for job in try house.client.list() where job.runAfter != nil { try? house.client.retry(job: job.id) }
      return try !daemon.isRunning || house.job(job).state == .done
    }
    #expect(daemon.isRunning, "\(daemon.account)")
    #expect(daemon.wasStruck)
    #expect(daemon.stop() == 0, "\(daemon.account)")
    let reasons = try house.client.events(after: .start).events.filter { $0.kind != .claimed }.compactMap(
      \.detail)
    #expect(reasons.contains { $0.contains("memory") }, "\(reasons)")
    // What was computed where memory was refused shows nowhere.
    let pixels = try [(house, job), (undisturbed, wanted)].map { house, job in
      let image = try #require(try house.client.details(job: job).images.first)
      return try PNGFile.read(image.path).image
    }
    #expect(pixels[0] == pixels[1])
  }
}
