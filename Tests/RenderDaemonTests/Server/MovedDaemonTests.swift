import Foundation
import JobStore
import PostgresStore
import TestSupport
import Testing

/// A picture that was begun in one store is finished in the other, with the same bytes.
@Suite(
  .enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)),
  .enabled(if: FaultLibrary.isThere))
struct MovedDaemonTests {
  /// Stops a daemon in the middle of a job's pictures.
  /// - Returns: the picture that is half rendered.
  private func begin(
    _ job: Int64, _ house: ServerHouse, in queue: any JobQueue, on database: String? = nil
  ) throws -> Int {
    let daemon = try house.daemon(on: database, faults: ServerHouse.beforeEachState)
    try house.hold(daemon) { try house.saved(job, image: 0, in: queue) >= 20 }
    daemon.terminate()
    house.goOnToTheEnd(daemon)
    #expect(daemon.terminationStatus == 0, "\(house.words)")
    #expect(try queue.details(job: job).job.state == .queued)
    let half = try (0..<2).first { index in
      guard case .step? = try queue.checkpoint(job: job, index: index) else { return false }
      return true
    }
    return try #require(half, "\(house.words)")
  }

  @Test func fromAFileOntoAServer() throws {
    let house = try ServerHouse()
    let queue = try QueueClient.open(path: house.file)
    let id = try house.enqueue(steps: ServerDaemonTests.steps, in: queue)
    let half = try begin(id, house, in: queue, on: house.file)
    let server = MovableServer(try ServerAddress(house.address), makes: true)
    _ = try QueueMove(from: MovableFile(path: house.file, makes: false), to: server).run()
    try house.drain()
    #expect(house.words.contains("image \(half): goes on at step"), "\(house.words)")
    #expect(try house.pictures(id) == ServerDaemonTests.undisturbed())
  }

  @Test func fromAServerIntoAFile() throws {
    let house = try ServerHouse()
    let id = try house.enqueue(steps: ServerDaemonTests.steps)
    let half = try begin(id, house, in: house.client)
    let server = MovableServer(try ServerAddress(house.address), makes: false)
    _ = try QueueMove(from: server, to: MovableFile(path: house.file, makes: true)).run()
    try house.drain(on: house.file)
    #expect(house.words.contains("image \(half): goes on at step"), "\(house.words)")
    #expect(
      try house.pictures(id, in: QueueClient.open(path: house.file)) == ServerDaemonTests.undisturbed())
  }
}
