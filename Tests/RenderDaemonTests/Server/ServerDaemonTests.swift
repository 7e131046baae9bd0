import Foundation
import JobStore
import PostgresStore
import Requests
import TestSupport
import Testing

/// Daemons on a queue of PostgreSQL give the bytes that those on a file give, whatever happens on the way.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct ServerDaemonTests {
  private static let steps = 150

  /// The same job in a file.
  private func undisturbed() throws -> [Data] { try ServerHouse.undisturbed(steps: Self.steps) }

  @Test func thePicturesOfAFile() throws {
    let house = try ServerHouse()
    let id = try house.enqueue(steps: Self.steps)
    try house.drain()
    #expect(try house.pictures(id) == undisturbed())
    #expect(!house.words.contains("warning"), "\(house.words)")
    #expect(try house.client.workers().map(\.state) == [.stopped])
  }

  /// Killed daemons leave a lease behind, which another waits for, or the next of their name frees.
  @Test(arguments: [["w", "w", "w"], ["a", "b", "c"]])
  func killedDaemons(names: [String]) throws {
    let house = try ServerHouse()
    let id = try house.enqueue(steps: Self.steps)
    for (index, name) in names.enumerated() {
      let daemon = try house.daemon(name)
      // Further than the one before.
      try house.wait { try house.saved(id, image: 0) >= 20 * (index + 1) }
      kill(daemon.processIdentifier, SIGKILL)
      daemon.waitUntilExit()
    }
    let last = try house.daemon("last")
    try house.wait { try house.client.details(job: id).job.state == .done }
    last.terminate()
    last.waitUntilExit()
    #expect(try house.pictures(id) == undisturbed())
    #expect(try house.client.details(job: id).events.contains { $0.kind == .lost })
    #expect(try house.client.details(job: id).job.losses == 0)
  }

  @Test func aKilledServer() throws {
    let server = try PostgresServer()
    let house = try ServerHouse(on: server)
    let id = try house.enqueue(steps: Self.steps)
    let daemon = try house.daemon(drains: true)
    for image in 0..<2 {
      try house.wait { try house.saved(id, image: image) >= 5 }
      try server.crash()
    }
    daemon.waitUntilExit()
    #expect(daemon.terminationStatus == 0, "\(house.words)")
    #expect(try house.pictures(id) == undisturbed())
  }

  @Test func aCancelledJobStops() throws {
    let house = try ServerHouse()
    let id = try house.enqueue(steps: 900)
    let daemon = try house.daemon()
    try house.wait { try house.saved(id, image: 0) >= 3 }
    #expect(try house.client.cancel(.job(id), discard: false).stopping == 1)
    try house.wait { try house.client.details(job: id).job.state != .running }
    #expect(try house.client.details(job: id).job.state == .cancelled)
    // The daemon goes on with the next.
    let next = try house.enqueue(steps: 2)
    try house.wait { try !house.client.details(job: next).job.state.isOpen }
    #expect(try house.pictures(next).count == 2)
    daemon.terminate()
    daemon.waitUntilExit()
    #expect(daemon.terminationStatus == 0, "\(house.words)")
  }

  /// A daemon that stops gives its job back with its steps.
  @Test func aStoppedDaemonGivesItsJobBack() throws {
    let house = try ServerHouse()
    let id = try house.enqueue(steps: Self.steps)
    let daemon = try house.daemon()
    try house.wait { try house.saved(id, image: 0) >= 3 }
    daemon.terminate()
    daemon.waitUntilExit()
    #expect(daemon.terminationStatus == 0, "\(house.words)")
    let job = try house.client.details(job: id).job
    #expect(job.state == .queued && job.attempts == 0)
    #expect(try house.saved(id, image: 0) >= 3)
    try house.drain()
    #expect(try house.pictures(id) == undisturbed())
  }

  /// A job whose model is nowhere is left in the queue.
  @Test func aModelThatIsNotHere() throws {
    let house = try ServerHouse()
    var requests = [JobRequest(RenderRequest(model: "elsewhere", prompt: "p"))].makeIterator()
    _ = try house.client.enqueue(BatchRequest()) { requests.next() }
    let id = try house.enqueue(steps: 2)
    try house.drain()
    #expect(try house.pictures(id).count == 2)
    let job = try house.client.details(job: 1).job
    #expect(job.state == .queued && job.attempts == 0)
    #expect(job.failure?.kind == .model)
  }
}
