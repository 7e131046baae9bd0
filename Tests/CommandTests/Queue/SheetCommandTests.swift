import Foundation
import GRDB
import Images
import JobStore
import Requests
import TestSupport
import Testing

/// `segmoectl sheet`: where every picture of a batch is on its page.
@Suite struct SheetCommandTests {
  /// A picture in a colour that a seed gives it.
  private static func color(_ seed: UInt64) -> RGBColor { RGBColor(UInt8(40 + seed * 20), 90, 200) }

  private static func picture(_ seed: UInt64) throws -> RGBImage {
    let color = color(seed)
    return try RGBImage(width: 100, height: 100, red: color.red, green: color.green, blue: color.blue)
  }

  /// Renders the next job as `picture` has it.
  private func finish(_ command: Command, _ session: WorkerSession, seeds: ClosedRange<UInt64>) throws {
    try command.finish(session, with: try seeds.map(Self.picture))
  }

  /// The top left corner of the picture with a seed; nil: it is not on the page.
  private func corner(_ seed: UInt64, on page: RGBImage) -> (x: Int, y: Int)? {
    for y in 0..<page.height {
      for x in 0..<page.width where page.color(x: x, y: y) == Self.color(seed) { return (x, y) }
    }
    return nil
  }

  private func page(_ command: Command, _ name: String) throws -> RGBImage {
    try PNGFile.readPixels(command.folder + "/" + name)
  }

  @Test func picturesAreInOrderWithAllThatIsMissing() throws {
    let command = try Command()
    _ = try command("enqueue", "a", "b", "c", "d", "--model", "m", "--count", "2", "--name", "tuesday")
    let session = try command.daemon()
    try finish(command, session, seeds: 0...1)
    let claimed = try #require(try session.claim())
    try session.fail(claimed.lease, message: "the picture is cursed", kind: .badInput)
    _ = try command("cancel", "3")
    let none = try command.run(["sheet", "tuesday", "--output", "t.png"])
    #expect(none.code == 0 && none.output == command.folder + "/t.png\n" && none.errors == "", "\(none)")
    // Eight places: three in a row.
    let shown = try page(command, "t.png")
    let first = try #require(corner(0, on: shown)), second = try #require(corner(1, on: shown))
    #expect(first.y == second.y && second.x - first.x == 106)
    #expect(shown.width == 6 + 3 * 106)
    let facts = try command("sheet", "1", "--output", "t2.png", "--json").object()
    #expect(facts["pictures"] as? Int == 2 && facts["missing"] as? Int == 6 && facts["batch"] as? Int == 1)
    #expect(facts["output"] as? String == command.folder + "/t2.png")
    // A file that is gone is named, and the others are shown.
    try FileManager.default.removeItem(atPath: command.folder + "/made/1-0.png")
    let less = try command("sheet", "1", "--output", "t3.png")
    expectComplaint(less, code: 0, "made/1-0.png", output: command.folder + "/t3.png\n")
    #expect(
      try corner(0, on: page(command, "t3.png")) == nil && corner(1, on: page(command, "t3.png")) != nil)
  }

  @Test func settingsHaveRowsAndColumns() throws {
    let command = try Command()
    // Seeds change first: 1 and 2 with 10 steps, then with 20.
    _ = try command("enqueue", "a", "b", "--model", "m", "--steps", "10,20", "--seeds", "1,2")
    let session = try command.daemon()
    for number in [1, 2, 1, 2, 1, 2] as [UInt64] { try finish(command, session, seeds: number...number) }
    // A row a prompt, and a column a number of steps: two seeds lie below each other.
    #expect(
      try command("sheet", "1", "--output", "t.png", "--rows", "prompt", "--columns", "steps").code == 0)
    let table = try page(command, "t.png")
    let one = try #require(corner(1, on: table)), two = try #require(corner(2, on: table))
    #expect(one.x == two.x && two.y > one.y)
    // A column a seed, by either spelling of a setting.
    let arguments = ["sheet", "1", "--output", "t2.png", "--columns", "seed", "--rows", "guidance-rescale"]
    #expect(try command.run(arguments).code == 0)
    let columns = try page(command, "t2.png")
    let left = try #require(corner(1, on: columns)), right = try #require(corner(2, on: columns))
    #expect(left.y == right.y && right.x - left.x == 106)
    // Rows alone: all pictures of a seed in one line.
    #expect(try command("sheet", "1", "--output", "t3.png", "--rows", "seed").code == 0)
    let rows = try page(command, "t3.png")
    let upper = try #require(corner(1, on: rows)), lower = try #require(corner(2, on: rows))
    #expect(upper.x == lower.x && lower.y > upper.y && rows.width > 4 * 106)
  }

  @Test func nothingIsOverwrittenOrMadeOfNothing() throws {
    let command = try Command()
    _ = try command("enqueue", "a", "--model", "m")
    expectComplaint(
      try command("sheet", "1", "--output", "t.png"), code: 65, "no finished picture",
      "segmoectl list --batch 1")
    #expect(!FileManager.default.fileExists(atPath: command.folder + "/t.png"))
    try finish(command, command.daemon(), seeds: 3...3)
    try command.file("t.png", Data("mine".utf8))
    expectComplaint(try command("sheet", "1", "--output", "t.png"), code: 65, "t.png", "--force")
    #expect(try Data(contentsOf: URL(fileURLWithPath: command.folder + "/t.png")) == Data("mine".utf8))
    expectComplaint(try command("sheet", "1", "--output", "gone/t.png"), code: 66, "gone")
    expectComplaint(try command("sheet", "9", "--output", "t9.png"), code: 65, "no batch 9")
    expectComplaint(
      try command("sheet", "1", "--output", "t9.png", "--rows", "stpes"), code: 64, "did you mean 'steps'?")
    expectComplaint(
      try command("sheet", "1", "--output", "t9.png", "--rows", "model", "--columns", "model"), code: 64,
      "the same setting")
    #expect(try command("sheet", "1", "--output", "t.png", "--force").code == 0)
    #expect(try corner(3, on: page(command, "t.png")) != nil)
    // No picture can be read.
    try FileManager.default.removeItem(atPath: command.folder + "/made/1-0.png")
    expectComplaint(try command("sheet", "1", "--output", "t4.png"), code: 66, "made/1-0.png")
    #expect(!FileManager.default.fileExists(atPath: command.folder + "/t4.png"))
  }
}
