import Foundation
import JobStore
import Synchronization
import TestSupport
import Testing

/// Daemons and clients whose way to the server is not straight: through pgbouncer, which gives each transaction another
/// connection, and over connections that are cut.
@Suite struct PooledDaemonTests {
  private static let steps = 60
  @Test(.enabled(if: PostgresBouncer.isInstalled, Comment(rawValue: PostgresBouncer.absence)))
  func everythingGoesThroughAPooler() throws {
    let house = try ServerHouse()
    let way = try PostgresBouncer.shared().address(house.address)
    // The second job is more than it renders until somebody cancels it.
    let small = ["--model", "tiny", "--width", "64", "--height", "64"]
    let id = try house.enqueue(steps: Self.steps)
    for words in [
      ["enqueue", "b", "--steps", "900", "--count", "50"] + small, ["reorder", "2", "--priority", "-1"],
    ] {
      let outcome = try house.control(by: way, words)
      #expect(outcome.code == 0, "\(words): \(outcome.errors)")
    }
    let daemon = try house.daemon(on: way)
    try house.wait { try house.client.details(job: 2).job.state == .running }
    for words in [["list"], ["status"], ["show", "1"], ["cancel", "2"]] {
      let outcome = try house.control(by: way, words)
      #expect(outcome.code == 0 && !outcome.output.isEmpty, "\(words): \(outcome.errors)")
    }
    try house.wait { try house.client.details(job: 2).job.state == .cancelled }
    // It is idle now, and finds what comes without being told.
    #expect(try house.control(by: way, ["enqueue", "c", "--steps", "2"] + small).code == 0)
    try house.wait { try house.client.details(job: 3).job.state == .done }
    daemon.terminate()
    daemon.waitUntilExit()
    #expect(daemon.terminationStatus == 0, "\(house.words)")
    #expect(try house.pictures(id) == ServerHouse.undisturbed(steps: Self.steps))
  }

  @Test(
    .enabled(if: PostgresBouncer.isInstalled, Comment(rawValue: PostgresBouncer.absence)),
    .enabled(if: FaultLibrary.isThere))
  func aKilledPoolerLosesNothing() throws {
    let server = try PostgresServer()
    let bouncer = try PostgresBouncer(before: server)
    let house = try ServerHouse(on: server)
    let id = try house.enqueue(steps: Self.steps)
    let daemon = try house.daemon(
      drains: true, on: bouncer.address(house.address), faults: ServerHouse.beforeEachState)
    for image in 0..<2 {
      try house.hold(daemon) { try (5..<Self.steps).contains(house.saved(id, image: image)) }
      try bouncer.crash()
    }
    house.goOnToTheEnd(daemon)
    #expect(daemon.terminationStatus == 0, "\(house.words)")
    #expect(try house.pictures(id) == ServerHouse.undisturbed(steps: Self.steps))
  }

  /// Every answer of a daemon's life in turn: what is asked for does not arrive, is done and nobody hears so, or is heard of.
  @Test(
    .enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)),
    arguments: CuttingProxy.Cut.allCases)
  func cutConnectionsLoseAndDoubleNothing(cut: CuttingProxy.Cut) throws {
    let house = try ServerHouse()
    // Who cannot come in at all at the start says so and ends, so that the first connection lasts for two answers.
    let lengths = Mutex(1)
    let proxy = try CuttingProxy(before: .shared()) {
      lengths.withLock { length in
        length += 1
        return (cut, length)
      }
    }
    let id = try house.enqueue(steps: Self.steps)
    try house.drain(on: proxy.address(house.address))
    #expect(proxy.cuts > 5)
    #expect(try house.pictures(id) == ServerHouse.undisturbed(steps: Self.steps))
    #expect(try house.client.details(job: id).events.count { $0.kind == .done } == 1)
    #expect(try house.client.status().counts.done == 1)
  }
}
