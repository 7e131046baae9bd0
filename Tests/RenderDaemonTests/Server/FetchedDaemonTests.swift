import Foundation
import JobStore
import PostgresStore
import Requests
import TestSupport
import Testing

/// Daemons of two machines, one of which has fetched a model. The machines are hosts' names; their fetchers fetch nothing.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct FetchedDaemonTests {
  private static let exact = "a/tiny@c1"

  private func fetcher(
    _ house: ServerHouse, on host: String = ProcessInfo.processInfo.hostName
  ) throws -> PostgresFetcher {
    try PostgresFetcher.signOn(
      PostgresDatabase.open(ServerAddress(house.address), role: .client),
      FetcherRecord(pid: Int(getpid()), host: host, version: "1")
    ) { _ in true }
  }

  /// Ends what a fetcher has taken, as if it had brought it.
  private func bring(_ source: ClaimedSource, to path: String, by fetcher: PostgresFetcher) throws {
    try fetcher.finish(source, name: Self.exact, revision: "c1", path: path, bytes: 1)
  }

  /// A daemon that drains leaves the job to others, waits for its own fetcher, and renders what that brings.
  @Test func whatAnotherMachineHasFetched() throws {
    let house = try ServerHouse()
    let id = try house.enqueue(steps: 2) { $0.model = "a/tiny" }
    let far = try fetcher(house, on: "far")
    try bring(#require(try far.claim()), to: "/nowhere/tiny", by: far)
    let near = try fetcher(house)
    #expect(try near.claim() == nil)
    let daemon = try house.daemon(drains: true)
    try house.wait {
      try near.beat()
      guard let source = try near.claim() else { return false }
      #expect(source.text == Self.exact)
      try bring(source, to: house.file("models/tiny"), by: near)
      return true
    }
    try house.wait {
      try near.beat()
      return !daemon.isRunning
    }
    #expect(daemon.terminationStatus == 0, "\(house.words)")
    #expect(try house.pictures(id).count == 2)
    #expect(try house.client.details(job: id).job.losses == 0)
    #expect(try house.client.lackedModels().isEmpty)
  }

  /// Its own fetcher cannot have it, and nobody else works: the job fails with what the fetcher says.
  @Test func whatNobodyCanRender() throws {
    let house = try ServerHouse()
    let id = try house.enqueue(steps: 2) { $0.model = "a/tiny" }
    let far = try fetcher(house, on: "far")
    try bring(#require(try far.claim()), to: "/nowhere/tiny", by: far)
    let near = try fetcher(house)
    let daemon = try house.daemon(drains: true)
    try house.wait {
      try near.beat()
      guard let source = try near.claim() else { return false }
      try near.fail(source, message: "no room on this disk", tryingAgainIn: nil)
      return true
    }
    // A fetcher that no longer beats would be gone after a minute, and the job left to others.
    try house.wait {
      try near.beat()
      return !daemon.isRunning
    }
    #expect(daemon.terminationStatus == 1, "\(house.words)")
    try expectFailure(house, id)
  }

  /// The fetcher fails after a look for jobs, just before the daemon asks whether anything still comes: one more look is made.
  @Test(.enabled(if: FaultLibrary.isThere)) func itsSourceFailsAtTheEndOfADrain() throws {
    let house = try ServerHouse()
    let id = try house.enqueue(steps: 2) { $0.model = "a/tiny" }
    let far = try fetcher(house, on: "far")
    try bring(#require(try far.claim()), to: "/nowhere/tiny", by: far)
    let near = try fetcher(house)
    let daemon = try house.daemon(drains: true, faults: ["send:socket~AS awaits:1+:stop"])
    try house.hold(daemon) {
      try near.beat()
      guard let source = try near.claim() else { return false }
      try near.fail(source, message: "no room on this disk", tryingAgainIn: nil)
      return true
    }
    house.goOnToTheEnd(daemon)
    #expect(daemon.terminationStatus == 1, "\(house.words)")
    try expectFailure(house, id)
  }

  private func expectFailure(_ house: ServerHouse, _ job: Int64) throws {
    let failure = try house.client.details(job: job).job.failure
    #expect(failure?.message.contains("no room on this disk") == true, "\(house.words)")
  }
}
