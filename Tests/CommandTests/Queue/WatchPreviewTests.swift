import Foundation
import GRDB
import Images
import JobStore
import Testing

/// `segmoectl watch --preview`: pictures below the bars, in terminals that can only move a cursor and in others.
@Suite struct WatchPreviewTests {
  private static func picture(_ level: UInt8) throws -> RGBImage {
    try RGBImage(width: 16, height: 16, red: level, green: 90, blue: 200)
  }

  /// Puts a preview into the queue, as a daemon does.
  private func put(_ png: [UInt8], job: Int64, number: Int, step: Int, madeAt: Int64, _ command: Command)
    throws
  {
    try command.sqlite().write { db in
      try db.execute(
        sql: "INSERT OR REPLACE INTO previews VALUES (?, ?, ?, ?, ?)",
        arguments: [job, number, step, Data(png), madeAt])
    }
  }

  /// Watches on a terminal until the screen shows all of `signs`, one after the other, each once `steps` have run.
  private func watch(
    _ command: Command, _ arguments: [String], environment: [String: String] = [:],
    steps: [(sign: String, then: () throws -> Void)]
  ) throws -> String {
    let terminal = try PseudoTerminal(columns: 80, rows: 24)
    let shown = Collector(terminal.read)
    let process = try command.start(
      ["watch"] + arguments, environment: environment, output: terminal.write, errors: Pipe())
    try terminal.write.close()
    for (sign, then) in steps {
      while process.isRunning && !shown.text.replacing("\r\n", with: "\n").contains(sign) {
        Thread.sleep(forTimeInterval: 0.02)
      }
      try then()
    }
    process.waitUntilExit()
    #expect(process.terminationStatus == 0)
    shown.wait()
    return shown.text.replacing("\r\n", with: "\n")
  }

  private func image(_ number: Int) -> ImageRecord {
    ImageRecord(
      index: number, path: "/out/\(number).png", seed: UInt64(number), width: 8, height: 8,
      digest: String(repeating: "a", count: 64), bytes: 1, seconds: 1)
  }

  /// 24 rows less a headline, a bar and the cursor's: twelve, which is the most.
  private let box = CellBox(columns: 79, rows: 12, mayEnlarge: true)

  @Test func theNewestPictureIsBelowItsBar() throws {
    let command = try Command()
    _ = try command("enqueue", "red fox", "--model", "m", "--count", "2")
    let session = try command.daemon(beats: true)
    let claimed = try #require(try session.claim())
    let (old, new, newer) = try (Self.picture(10), Self.picture(60), Self.picture(110))
    try put(PNGFile.encode(old), job: 1, number: 1, step: 9, madeAt: 5, command)
    try put(PNGFile.encode(new), job: 1, number: 0, step: 3, madeAt: 6, command)
    func shown(_ image: RGBImage) throws -> String { try TerminalPicture(image, in: box, by: .blocks).text }
    let text = try watch(
      command, ["--preview"], environment: ["COLORTERM": "truecolor"],
      steps: [
        (try shown(new), { try put(PNGFile.encode(newer), job: 1, number: 0, step: 6, madeAt: 7, command) }),
        (
          try shown(newer),
          {
            try session.finish(claimed.lease, images: [image(0), image(1)], statistics: RenderStatistics())
          }
        ),
      ])
    #expect(try !text.contains(shown(old)))
    // Below the bar, and the cursor goes up over all of it: a headline, a bar and twelve rows.
    #expect(text.contains("red fox") && text.contains("\u{1B}[14A\r"))
    #expect(
      text.firstMatch(of: #/\x1B\[[0-9]+A\r1 of 1 done\x1B\[K\n\x1B\[J$/#) != nil, "\(text.suffix(200))")
  }

  /// Kitty's pictures lie above the text: they are taken away by their number.
  @Test func kittyIsToldToForget() throws {
    let command = try Command()
    _ = try command("enqueue", "red fox", "--model", "m")
    let session = try command.daemon(beats: true)
    let claimed = try #require(try session.claim())
    try put(PNGFile.encode(Self.picture(10)), job: 1, number: 0, step: 3, madeAt: 6, command)
    let text = try watch(
      command, ["1", "--preview", "--protocol", "kitty"],
      steps: [
        (
          "\u{1B}_Ga=T,",
          { try session.finish(claimed.lease, images: [image(0)], statistics: RenderStatistics()) }
        )
      ])
    let name = try #require(text.firstMatch(of: #/a=T,[^;]*i=([0-9]+),/#)).1
    let end = try #require(text.range(of: "a=d,d=I,i=\(name),", options: .backwards))
    let last = try #require(text.range(of: "a=T,", options: .backwards))
    #expect(end.lowerBound > last.lowerBound)
  }

  /// Whoever can write the queue may have put anything there.
  @Test(arguments: ["text", "bomb", "empty", "huge"]) func damagedPreviewsAreSkipped(
    kind: String
  ) throws {
    let command = try Command()
    _ = try command("enqueue", "red fox", "--model", "m")
    let session = try command.daemon(beats: true)
    let claimed = try #require(try session.claim())
    let png: [UInt8] =
      switch kind {
      case "text": Array("no picture".utf8)
      case "bomb": try PNGFile.encode(RGBImage(width: 1100, height: 8, red: 0, green: 0, blue: 0))
      case "empty": []
      default: [UInt8](repeating: 7, count: 3 << 20)
      }
    try put(png, job: 1, number: 0, step: 3, madeAt: 6, command)
    let text = try watch(
      command, ["--preview"],
      steps: [
        ("red fox", { try session.finish(claimed.lease, images: [image(0)], statistics: RenderStatistics()) })
      ])
    #expect(!text.contains("▀") && text.contains("1 of 1 done"))
  }

  @Test func itNeedsATerminal() throws {
    let command = try Command()
    _ = try command("enqueue", "red fox", "--model", "m")
    expectComplaint(try command("watch", "--preview"), code: 64, "--preview", "terminal")
    expectComplaint(try command("watch", "--preview", "--json"), code: 64, "--json")
    expectComplaint(try command("watch", "--protocol", "kitty"), code: 64, "--preview")
  }
}
