import Foundation
import JobStore
import RenderDaemon
import Testing

/// Daemons with different models, and models that are still being copied.
@Suite struct LackedModelTests {
  /// A folder is tried again once its files have changed and then stayed the same for a moment.
  @Test func aFolderThatSettlesIsTriedAgain() throws {
    let house = try DaemonHouse()
    let locator = ModelLocator(folders: [house.models])
    var lacked = LackedModels()
    lacked.note("late", locator, now: 0)
    #expect(lacked.look(locator, now: 1).isEmpty && lacked.names == ["late"])
    // No folder at all: it is waited for, however long.
    #expect(lacked.look(locator, now: 100).isEmpty && lacked.names == ["late"])
    try FileManager.default.createDirectory(atPath: house.models + "/late", withIntermediateDirectories: true)
    for file in 1...3 {
      try Data("x".utf8).write(to: URL(fileURLWithPath: house.models + "/late/\(file)"))
      #expect(lacked.look(locator, now: 100 + Double(file)) == ["late"])
      #expect(lacked.names == ["late"])
    }
    #expect(lacked.look(locator, now: 104.9).isEmpty && lacked.names == ["late"])
    #expect(lacked.look(locator, now: 105.1).isEmpty && lacked.names.isEmpty)
    // What does not change is tried every ten seconds: its disk may have failed.
    lacked.note("late", locator, now: 200)
    #expect(lacked.look(locator, now: 209).isEmpty && lacked.names == ["late"])
    #expect(lacked.look(locator, now: 210).isEmpty && lacked.names.isEmpty)
  }

  /// A daemon without the model gives its jobs back; one that has it renders them, and nothing is held.
  @Test func daemonsLeaveToEachOtherWhatTheyLack() throws {
    let house = try DaemonHouse()
    let jobs = try (0..<3).flatMap { _ in [try house.enqueue(), try house.enqueue { $0.model = "other" }] }
    let first = try RealDaemon(house, worker: "one")
    try house.wait {
      try jobs.enumerated().allSatisfy { try $0.offset % 2 == 1 || house.job($0.element).state == .done }
    }
    #expect(try jobs.allSatisfy { try house.job($0).state != .failed })
    #expect(try house.client.lackedModels().map(\.model) == ["other"])
    // The model comes: no restart, no retry.
    try FileManager.default.copyItem(atPath: house.model, toPath: house.models + "/other")
    try house.wait { try jobs.allSatisfy { try house.job($0).state == .done } }
    #expect(try house.client.models().allSatisfy { $0.heldUntil == nil && $0.loadFailures == 0 })
    #expect(try house.client.lackedModels().isEmpty)
    #expect(first.stop() == 0)
  }
}
