import Foundation
import TestSupport
import Testing

/// The same settings give the same picture by hand and through the queue: every value that `RequestTableTests` says
/// is taken, and settings that need files or each other.
@Suite struct RequestPictureTests {
  /// Rows that a table of single values cannot have.
  private static let together: [[String]] = {
    let picture = ["--init-image", Places.golden("images/picture.png")]
    return [
      picture, picture + ["--strength", "1"], picture + ["--strength", "0.5", "--steps", "2"],
      picture + ["--mask", Places.golden("images/mask.png")],
      picture + ["--width", "72", "--height", "64", "--scheduler", "euler_a", "--steps", "3"],
      ["--lora", Places.golden("families/lora.safetensors")],
      ["--lora", Places.golden("families/lora.safetensors:-0.5"), "--precision", "bf16"],
      [
        "--lora", Places.golden("families/lora.safetensors:0.3"), "--lora",
        Places.golden("families/lora.safetensors"),
      ],
      ["--embedding", Places.golden("prompts/toy.safetensors")],
      ["--embedding", Places.golden("prompts/toy.safetensors:zebra"), "--negative-prompt", "a zebra"],
      ["--vae", Places.golden("vae/tiny")], ["--plain-prompt"],
      ["--guidance", "9", "--guidance-rescale", "0.7", "--steps", "3"],
      ["--guidance", "1", "--negative-prompt", "blurry"],
      ["--variation-seed", "9", "--variation-strength", "0.3", "--count", "2", "--scheduler", "euler_a"],
      picture + ["--variation-seed", "9", "--variation-strength", "1"],
    ]
  }()

  private static var rows: [[String]] {
    RequestTableTests.table.flatMap { row in row.taken.map { [row.option, $0] } } + together
  }

  /// The compressed pixels of a PNG file: its IDAT chunks. The text beside them names the program's own paths.
  private static func pixels(_ path: String) throws -> Data {
    let file = try Data(contentsOf: URL(fileURLWithPath: path))
    var (place, found) = (8, Data())
    while place + 12 <= file.count {
      let length = file[place..<place + 4].reduce(0) { $0 << 8 | Int($1) }
      if file[place + 4..<place + 8] == Data("IDAT".utf8) {
        found += file[place + 8..<min(file.count, place + 8 + length)]
      }
      place += 12 + length
    }
    return found
  }

  private static func run(_ program: String, _ arguments: [String], in command: Command) throws {
    let outcome = try Outcome(
      of: program, arguments, in: command.folder,
      environment: ["PATH": "/usr/bin:/bin", "HOME": command.folder])
    #expect(outcome.code == 0, "\(program) \(arguments)")
  }

  @Test func theSameByHandAndThroughTheQueue() throws {
    let command = try Command()
    let model = Places.golden("model/base")
    for (index, row) in Self.rows.enumerated() {
      var settings = row
      if !row.contains("--init-image") {
        for side in ["--width", "--height"] where !row.contains(side) { settings += [side, "64"] }
      }
      if !row.contains("--steps"), !row.contains("--strength") { settings += ["--steps", "2"] }
      try Self.run(
        "segmoe",
        ["render", model, "--prompt", "a zebra", "--output", "by-hand-\(index).png", "--quiet"] + settings,
        in: command)
      try Self.run(
        "segmoectl", ["enqueue", "a zebra", "--model", model, "--database", command.database] + settings,
        in: command)
    }
    try Self.run(
      "segmoed",
      [
        "--database", command.database, "--output", command.folder + "/pictures", "--drain", "--log-level",
        "error",
      ], in: command)
    var seen: Set<Data> = []
    for (index, row) in Self.rows.enumerated() {
      // With --count the file's number comes behind its name.
      let single = command.folder + "/by-hand-\(index).png"
      let first = command.folder + "/by-hand-\(index)-0.png"
      let byHand = try Self.pixels(FileManager.default.fileExists(atPath: single) ? single : first)
      let number = index + 1
      let queued = try Self.pixels(command.folder + "/pictures/\(number)/\(number)-0.png")
      #expect(!byHand.isEmpty && byHand == queued, "\(row)")
      seen.insert(byHand)
    }
    // Settings show; a comparison of one picture with itself would prove nothing.
    #expect(seen.count > Self.rows.count / 3, "\(seen.count) pictures of \(Self.rows.count)")
  }
}
