import Foundation
import Logging
import RenderDaemon
import TestSupport
import Testing

/// What the journal gets: entries with fields, in its own protocol.
@Suite struct JournalTests {
  private func fields(_ entry: String?) throws -> [String: String] {
    let lines = try #require(entry).split(separator: "\n")
    return try Dictionary(
      uniqueKeysWithValues: lines.map { line in
        let equals = try #require(line.firstIndex(of: "="), "\(line)")
        return (String(line[..<equals]), String(line[line.index(after: equals)...]))
      })
  }

  private func logger(_ socket: NotifySocket) throws -> Logger {
    let journal = try #require(Journal(socket: socket.name))
    return Logger(label: "test") { _ in ServiceLog(threshold: LogThreshold(.debug), journal: journal) }
  }

  @Test(arguments: zip(Logger.Level.allCases, ["", "7", "6", "5", "4", "3", "2"]))
  func levelsBecomePriorities(level: Logger.Level, priority: String) throws {
    let socket = try NotifySocket()
    try logger(socket).log(level: level, "a message")
    if level == .trace {
      #expect(socket.receive(within: 0.1) == nil)
    } else {
      #expect(
        try fields(socket.receive())
          == ["MESSAGE": "a message", "PRIORITY": priority, "SYSLOG_IDENTIFIER": "segmoed"])
    }
  }

  @Test func nothingInATextMakesAFieldOfItsOwn() throws {
    let socket = try NotifySocket()
    try logger(socket).error(
      "a fox\nPRIORITY=0\n\u{1B}[2J", metadata: ["job": "7\nSEGMOE_JOB=8", "odd key!": "x"])
    let found = try fields(socket.receive())
    #expect(found["MESSAGE"] == #"a fox\nPRIORITY=0\n\u{1B}[2J"#)
    #expect(found["PRIORITY"] == "3" && found["SEGMOE_JOB"] == #"7\nSEGMOE_JOB=8"#)
    #expect(found["SEGMOE_ODD_KEY_"] == "x" && found.count == 5)
  }

  /// A daemon's life, with the fields that `journalctl SEGMOE_JOB=…` looks for.
  @Test func aDaemonsLinesCarryJobBatchAndWorker() throws {
    let house = try DaemonHouse()
    let socket = try NotifySocket()
    let good = try house.enqueue()
    let bad = try house.enqueue { $0.model = "gone" }
    try Worker(house.settings(), log: logger(socket)).run()
    var entries: [[String: String]] = []
    while let entry = socket.receive(within: 0.2) { entries.append(try fields(entry)) }
    #expect(entries.allSatisfy { $0["SEGMOE_WORKER"] == "test" && $0["PRIORITY"] != nil })
    let done = try #require(entries.first { $0["MESSAGE"]?.hasPrefix("job \(good) done") == true })
    #expect(done["SEGMOE_JOB"] == "\(good)" && done["SEGMOE_BATCH"] == "1" && done["PRIORITY"] == "6")
    let failed = try #require(entries.first { $0["SEGMOE_JOB"] == "\(bad)" && $0["PRIORITY"] == "3" })
    #expect(failed["SEGMOE_BATCH"] == "2" && failed["MESSAGE"]?.contains("gone") == true)
  }

  /// `$JOURNAL_STREAM` is inherited by programs whose output goes elsewhere.
  @Test func onlyTheVeryFileIsTheJournals() throws {
    let folder = try TemporaryFolder()
    let descriptor = open(folder.file("journal"), O_RDWR | O_CREAT, 0o600)
    defer { close(descriptor) }
    var status = stat()
    #expect(fstat(descriptor, &status) == 0)
    let stream = "\(status.st_dev):\(status.st_ino)"
    #expect(Journal.hears(descriptor, environment: ["JOURNAL_STREAM": stream]))
    #expect(!Journal.hears(descriptor, environment: ["JOURNAL_STREAM": stream + "1"]))
    #expect(!Journal.hears(descriptor, environment: [:]))
  }
}
