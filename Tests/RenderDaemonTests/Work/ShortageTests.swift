import Checkpoints
import Foundation
import Images
import RenderDaemon
import Requests
import TestSupport
import Testing

/// A daemon that the system refuses threads, and a job that finds no descriptor.
@Suite(.serialized) struct ShortageTests {
  /// Without the threads that it cannot do without, it ends with an error, and does not wait for them.
  @Test(.enabled(if: FaultLibrary.isThere), arguments: [1, 4, 10])
  func withoutThreadsItEnds(first: Int) throws {
    let house = try DaemonHouse()
    _ = try house.enqueue("a fox")
    let daemon = try RealDaemon(house, drain: true, faults: ["thread:thread:\(first)+:EAGAIN"])
    #expect(daemon.end() == 69, "\(daemon.account)")
    #expect(daemon.wasStruck && daemon.words.contains("refuses the thread"), "\(daemon.words)")
  }

  /// A model whose files cannot be opened just now is not to blame: other jobs may have it.
  @Test func whatRanOutIsNobodysFault() {
    let request = RenderRequest(model: "/m")
    let locator = ModelLocator(folders: [])
    let errors: [any Error] = [
      CheckpointError.exhausted(path: "/m/unet", reason: ""),
      ImageError.unreadable(path: "/i.png", code: EMFILE),
      ImageError.unreadable(path: "/i.png", code: ENFILE),
    ]
    for error in errors {
      #expect(failureKind(of: error, request: request, locator: locator) == .transient, "\(error)")
    }
    let missing = ImageError.unreadable(path: "/i.png", code: ENOENT)
    #expect(failureKind(of: missing, request: request, locator: locator) == .badInput)
  }
}
