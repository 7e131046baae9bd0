import Foundation
import Images
import JobStore
import TestSupport
import Testing

/// What this processor has, as the system says it.
private let processorFlags = (try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8)) ?? ""

/// Daemons whose numbers differ in the last bits: a picture is of one class of numerics or of another, never of two.
@Suite(.enabled(if: processorFlags.contains(" avx2 "), "there is only one set")) struct OtherNumericsTests {
  private static let steps = 60

  private func enqueue(_ house: DaemonHouse) throws -> Int64 {
    try house.enqueue(attempts: 50) {
      $0.steps = Self.steps
      $0.precision = .int8
      $0.seed = 3
    }
  }

  private func picture(_ house: DaemonHouse, _ id: Int64) throws -> Data {
    let details = try house.client.details(job: id)
    #expect(details.job.state == .done, "\(details.job)")
    return try Data(contentsOf: URL(fileURLWithPath: #require(details.images.first).path))
  }

  private func undisturbed(_ set: String) throws -> Data {
    let house = try DaemonHouse()
    let id = try enqueue(house)
    try RealDaemon.drain(house, environment: ["SEGMOE_ISA": set])
    return try picture(house, id)
  }

  /// Renders some steps on one set and is stopped.
  private func begin(_ house: DaemonHouse, _ id: Int64, on set: String) throws {
    let daemon = try RealDaemon(
      house, worker: "first", faults: [RealDaemon.beforeEachState], environment: ["SEGMOE_ISA": set])
    let stands = try daemon.goOn {
      try house.savedSteps(id) > 5
    }
    try #require(stands, "\(daemon.account)")
    daemon.askToStop()
    #expect(daemon.goOnToTheEnd() == 0, "\(daemon.account)")
    try #require(try house.job(id).state == .queued)
  }

  @Test func apart() throws {
    #expect(try undisturbed("scalar") != undisturbed("avx2"))
  }

  /// Stopped in one set, finished in another: the picture is that of the set that finishes it. Whoever drains does not wait.
  @Test(.enabled(if: FaultLibrary.isThere)) func stoppedInOneSetAndFinishedInAnother() throws {
    let house = try DaemonHouse()
    let id = try enqueue(house)
    try begin(house, id, on: "scalar")
    try RealDaemon.drain(house, worker: "second", environment: ["SEGMOE_ISA": "avx2"])
    #expect(try picture(house, id) == undisturbed("avx2"))
    let numerics = try #require(try house.client.details(job: id).images.first?.numerics)
    #expect(numerics.contains("/avx2/"))
    // The picture says so, too.
    let path = try #require(try house.client.details(job: id).images.first?.path)
    let text = try #require(try PNGFile.read(path).texts.first { $0.keyword == "segmoe" }?.text)
    #expect(text.contains(#""numerics":"\#(numerics)""#))
  }

  /// While the other class's patience lasts, its own takes it up: no step twice.
  @Test(.enabled(if: FaultLibrary.isThere)) func itsOwnClassGoesOn() throws {
    let house = try DaemonHouse()
    let id = try enqueue(house)
    try begin(house, id, on: "scalar")
    let other = try RealDaemon(
      house, worker: "second", metrics: house.folder + "/other.prom",
      environment: ["SEGMOE_ISA": "avx2", "SEGMOE_NUMERICS_PATIENCE": "3600"])
    try house.wait { try house.client.workers().contains { $0.name == "second" } }
    try RealDaemon.drain(house, worker: "first", environment: ["SEGMOE_ISA": "scalar"])
    #expect(try house.stepsTaken() < Self.steps)
    #expect(other.stop() == 0, "\(other.account)")
    #expect(try picture(house, id) == undisturbed("scalar"))
  }

  /// The sets that share a class share every byte, in every precision: what `NumericsClass` takes for granted.
  @Test(arguments: ["f32", "bf16", "int8"]) func setsOfOneClassGiveTheSameFiles(precision: String) throws {
    let house = try DaemonHouse()
    let sets = [("avx2", " avx2 "), ("avx512", " avx512dq "), ("avx512vnni", " avx512_vnni ")]
      .filter { processorFlags.contains($0.1) }.map(\.0)
    let files = try sets.map { set in
      let file = house.folder + "/\(set).png"
      let outcome = try Outcome(
        of: "segmoe",
        [
          "render", house.model, "--prompt", "a red fox", "--steps", "4", "--seed", "3", "--width", "96",
          "--height", "64", "--precision", precision, "--output", file,
        ], environment: ["SEGMOE_ISA": set, "PATH": "/usr/bin:/bin"])
      try #require(outcome.code == 0, "\(outcome.errors)")
      return try Data(contentsOf: URL(fileURLWithPath: file))
    }
    #expect(Set(files).count == 1)
  }
}
