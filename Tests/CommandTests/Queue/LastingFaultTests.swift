import Foundation
import GRDB
import TestSupport
import Testing

/// What stays wrong however often it is tried ends with a code that systemd does not restart on.
@Suite struct LastingFaultTests {
  @Test(arguments: ["text", "foreign", "newer"], [("segmoed", ["--drain"]), ("segmoe-fetch", ["fetch"])])
  func aServiceEndsForGood(kind: String, service: (unit: String, words: [String])) throws {
    let command = try Command()
    switch kind {
    case "text": try command.file("queue.sqlite", Data(String(repeating: "no database ", count: 100).utf8))
    case "foreign": try Self.sqlite(command, "CREATE TABLE notes (text)")
    default:
      _ = try command("enqueue", "p", "--model", "m")
      try Self.sqlite(command, "PRAGMA user_version = 99")
    }
    let daemon = try BuiltProgram.run(
      "segmoed", service.words + ["--database", command.database], environment: ["HOME": command.folder])
    #expect(daemon.code == 65, "\(daemon)")
    #expect(
      daemon.errors.split(separator: "\n").filter { $0.contains("segmoed: ") }.count == 1, "\(daemon.errors)")
    #expect(daemon.errors.contains(command.database))
    let unit = try String(
      contentsOfFile: Places.inRepository("systemd/\(service.unit).service"), encoding: .utf8)
    #expect(unit.contains("RestartPreventExitStatus=64 65 66 77\n"))
  }

  private static func sqlite(_ command: Command, _ statement: String) throws {
    try DatabaseQueue(path: command.database).write { try $0.execute(sql: statement) }
  }
}
