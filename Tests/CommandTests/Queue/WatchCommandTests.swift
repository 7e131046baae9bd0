import Foundation
import JobStore
import Testing

@Suite struct WatchCommandTests {
  @Test(arguments: [[], ["--batch", "1"], ["1"]])
  func nothingOpenNothingToWatch(scope: [String]) throws {
    let command = try Command()
    _ = try command("enqueue", "a", "--model", "m")
    _ = try command("cancel", "1")
    let outcome = try command.run(["watch"] + scope)
    #expect(outcome.code == 0)
    #expect(
      outcome.output == (scope.isEmpty ? "no job is waiting or running\n" : "0 of 1 done, 1 cancelled\n"))
  }

  /// A full disk, say: the picture is done, and waits for room.
  @Test func whatWaitsForTheDiskSaysSo() throws {
    let command = try Command()
    _ = try command("enqueue", "a", "--model", "m")
    let session = try command.daemon(beats: true)
    let claimed = try #require(try session.claim())
    try session.report(ImageProgress(index: 0, phase: .denoising, step: 3, steps: 25), claimed.lease)
    try session.note("the disk is full", claimed.lease)
    // What an earlier attempt left in the row is no wait.
    #expect(try firstLine(of: command) == "job 1 running 3/25\n")
    try session.report(ImageProgress(index: 0, phase: .writing, step: 25, steps: 25), claimed.lease)
    #expect(
      try firstLine(of: command) == "job 1 running 25/25, waits to write its picture: the disk is full\n")
  }

  /// What `watch` says first of job 1.
  private func firstLine(of command: Command) throws -> String {
    let pipe = Pipe()
    let process = try command.start(["watch", "1"], output: pipe.fileHandleForWriting, errors: Pipe())
    try pipe.fileHandleForWriting.close()
    defer {
      // Threads of tests block SIGTERM, and a program that they start inherits that.
      kill(process.processIdentifier, SIGKILL)
      process.waitUntilExit()
    }
    var text = ""
    while !text.contains("\n") {
      let data = pipe.fileHandleForReading.availableData
      guard !data.isEmpty else { break }
      text += String(decoding: data, as: UTF8.self)
    }
    return text
  }

  /// Starts `watch` with a daemon that is alive, renders, and collects what was printed.
  /// - Parameters:
  ///   - arguments: of segmoectl.
  ///   - before: how many jobs were done before.
  ///   - sign: what the output shows once it has seen the seventh step.
  ///   - handles: what it reads from and the command writes to.
  private func watch(
    _ arguments: [String], before: Int = 0, until sign: String = "7/50",
    on handles: (read: FileHandle, write: FileHandle)
  ) throws -> (code: Int32, text: String) {
    let command = try Command()
    let session = try command.daemon(beats: true)
    for _ in 0..<before {
      _ = try command("enqueue", "old", "--model", "m")
      try command.render(session)
    }
    _ = try command("enqueue", "red fox", "--model", "m", "--count", "2")
    let collected = Collector(handles.read)
    let process = try command.start(arguments, output: handles.write, errors: Pipe())
    try handles.write.close()
    let claimed = try #require(try session.claim())
    var progress = ImageProgress(index: 0, phase: .denoising, step: 7, steps: 25, secondsPerStep: 2)
    progress.expectedEnd = Date().addingTimeInterval(3600).milliseconds
    try session.report(progress, claimed.lease)
    // What is done too quickly is never seen running.
    while process.isRunning && !collected.text.contains(sign) { Thread.sleep(forTimeInterval: 0.02) }
    let images = (0..<2).map {
      ImageRecord(
        index: $0, path: "/out/\($0).png", seed: 0, width: 8, height: 8,
        digest: String(repeating: "a", count: 64), bytes: 1, seconds: 1)
    }
    try session.finish(claimed.lease, images: images, statistics: RenderStatistics())
    process.waitUntilExit()
    collected.wait()
    return (process.terminationStatus, collected.text)
  }

  @Test func aPipeGetsLines() throws {
    let pipe = Pipe()
    let (code, text) = try watch(["watch"], on: (pipe.fileHandleForReading, pipe.fileHandleForWriting))
    #expect(code == 0)
    #expect(!text.contains("\u{1B}"))
    let lines = text.split(separator: "\n").map(String.init)
    #expect(lines.contains { $0.hasPrefix("job 1 running 7/50, 1:") && $0.hasSuffix(" left") }, "\(lines)")
    let done = try #require(lines.firstIndex(of: "job 1 done: images: 2"))
    #expect(lines.dropFirst(done + 1).prefix(2) == ["  /out/0.png", "  /out/1.png"])
    #expect(lines.last == "1 of 1 done")
  }

  /// What was over when the watch began is not counted.
  @Test func historyIsNotCounted() throws {
    let pipe = Pipe()
    let (code, text) = try watch(
      ["watch"], before: 2, on: (pipe.fileHandleForReading, pipe.fileHandleForWriting))
    #expect(code == 0)
    #expect(text.split(separator: "\n").last == "1 of 1 done", "\(text)")
  }

  @Test func aPipeCanGetJSON() throws {
    let pipe = Pipe()
    let (code, text) = try watch(
      ["watch", "--json"], until: "\"step\": 7",
      on: (pipe.fileHandleForReading, pipe.fileHandleForWriting))
    #expect(code == 0)
    let objects = try text.split(separator: "\n").map {
      try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
    }
    let done = objects.first { $0["event"] as? String == "done" && $0["job"] as? Int == 1 }
    #expect(done?["pictures"] as? [String] == ["/out/0.png", "/out/1.png"])
    #expect(objects.contains { $0["state"] as? String == "running" && $0["id"] as? Int == 1 })
  }

  @Test func aTerminalGetsBarsInPlace() throws {
    let terminal = try PseudoTerminal()
    let (code, text) = try watch(["watch", "--batch", "1"], on: (terminal.read, terminal.write))
    #expect(code == 0)
    // One bar at 14%, the prompt, the time left, and a cursor that goes back up.
    #expect(text.contains("red fox"))
    #expect(text.contains("█░"))
    #expect(text.contains(" left"))
    #expect(text.contains("\u{1B}[2A"))
    #expect(text.contains("1 of 1 done"))
  }
}
