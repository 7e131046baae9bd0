import Foundation
import JobStore
import TestSupport
import Testing

/// What becomes of the daemon's log must not end the daemon.
@Suite(.serialized) struct StandardStreamsTests {
  private enum Reader: CaseIterable { case fullDisk, gone }

  @Test(arguments: Reader.allCases) private func aLogThatNobodyTakes(_ reader: Reader) throws {
    let house = try DaemonHouse()
    let ids = try (0..<2).map { _ in try house.enqueue() }
    let lines: FileHandle
    switch reader {
    case .fullDisk: lines = try #require(FileHandle(forWritingAtPath: "/dev/full"))
    case .gone:
      let pipe = Pipe()
      try pipe.fileHandleForReading.close()
      lines = pipe.fileHandleForWriting
    }
    let daemon = try RealDaemon(house, drain: true, says: lines)
    #expect(daemon.end() == 0)
    #expect(try ids.allSatisfy { try house.job($0).state == .done })
  }

  /// A descriptor that came closed is the first that a file would get: the log would be written into it.
  @Test func closedFromTheBeginning() throws {
    let house = try DaemonHouse()
    let id = try house.enqueue()
    let outcome = try Outcome(
      of: "/bin/sh",
      [
        "-c", #"exec "$0" "$@" 0<&- 1>&- 2>&-"#, Places.program("segmoed"), "--database",
        house.client.path, "--output", house.output, "--models", house.models, "--worker", "w", "--drain",
      ], environment: ["PATH": "/usr/bin:/bin"])
    #expect(outcome.code == 0)
    let image = try #require(try house.client.details(job: id).images.first)
    #expect(try Data(contentsOf: URL(fileURLWithPath: image.path)).count == Int(image.bytes))
  }
}
