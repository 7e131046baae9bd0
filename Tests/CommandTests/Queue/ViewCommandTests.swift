import Foundation
import Images
import JobStore
import TestSupport
import Testing
import segmoectl

/// `segmoectl view` and `open`: in terminals of every kind, and in none.
@Suite struct ViewCommandTests {
  /// A picture in which the columns differ.
  private static func picture(_ width: Int, _ height: Int) throws -> RGBImage {
    try RGBImage(
      width: width, height: height,
      pixels: (0..<width * height * 3).map { UInt8(truncatingIfNeeded: $0 / 3 % width * 7 + $0 % 3 * 40) })
  }

  /// A queue with a job that has two pictures.
  private func command() throws -> (command: Command, paths: [String]) {
    let command = try Command()
    _ = try command("enqueue", "p", "--model", "m", "--count", "2")
    let paths = try command.finish(
      command.daemon(), with: [Self.picture(64, 48), Self.picture(300, 100)])
    return (command, paths)
  }

  @Test(
    arguments: [
      ([:], .blocks, false), (["COLORTERM": "truecolor"], .blocks, true),
      (["COLORTERM": "24bit"], .blocks, true),
      (["TERM": "xterm-kitty"], .kitty, false), (["KITTY_WINDOW_ID": "1"], .kitty, false),
      (["TERM": "xterm-ghostty"], .kitty, false), (["TERM_PROGRAM": "iTerm.app"], .iterm2, false),
      (["LC_TERMINAL": "iTerm2"], .iterm2, false), (["TERM_PROGRAM": "WezTerm"], .iterm2, false),
      (["TERM": "foot"], .sixel, false), (["TERM": "xterm-sixel"], .sixel, false),
      (["KONSOLE_VERSION": "230800"], .sixel, false), (["KONSOLE_VERSION": "210400"], .blocks, false),
      // What stands between passes nothing on.
      (["TERM": "tmux-256color", "KITTY_WINDOW_ID": "1"], .blocks, false),
      (["TMUX": "/tmp/tmux-0/default,1,0", "TERM_PROGRAM": "WezTerm"], .blocks, false),
      (["STY": "1.pts-0.host", "TERM": "xterm-kitty"], .blocks, false),
      (["KITTY_WINDOW_ID": ""], .blocks, false),
    ] as [([String: String], TerminalProtocol, Bool)])
  func terminalsSayWhatTheyUnderstand(variables: [String: String], way: TerminalProtocol, hasTrueColor: Bool)
  {
    let ability = TerminalAbility(environment: variables)
    #expect(ability.way == way && ability.hasTrueColor == hasTrueColor)
    #expect(TerminalAbility(environment: variables, forced: .iterm2).way == .iterm2)
  }

  /// The whole of what a terminal gets.
  @Test(
    arguments: [
      (["TERM": "xterm-kitty"], [], .kitty, false), (["TERM_PROGRAM": "WezTerm"], [], .iterm2, false),
      (["TERM": "foot"], [], .sixel, false), (["COLORTERM": "truecolor"], [], .blocks, true),
      ([:], [], .blocks, false),
      (["TERM": "xterm-kitty"], ["--protocol", "sixel"], .sixel, false),
    ] as [([String: String], [String], TerminalProtocol, Bool)])
  func aTerminalGetsThePictures(
    variables: [String: String], options: [String], way: TerminalProtocol, hasTrueColor: Bool
  ) throws {
    let (command, paths) = try command()
    let terminal = try PseudoTerminal(columns: 60, rows: 20, cellWidth: 5, cellHeight: 10)
    let (code, text, errors) = try command.onTerminal(
      ["view", "1"] + options, terminal, environment: variables)
    #expect(code == 0 && errors == "")
    // The last three rows are for the path and the shell.
    let box = CellBox(columns: 59, rows: 17, cellWidth: 5, cellHeight: 10)
    var wanted = ""
    for path in paths {
      let picture = try TerminalPicture(
        PNGFile.readPixels(path), in: box, by: way, hasTrueColor: hasTrueColor)
      wanted += picture.text + path + "\n"
    }
    #expect(text == wanted)
  }

  @Test func withoutASizeATerminalHas80Columns() throws {
    let (command, paths) = try command()
    for (variables, columns) in [([:], 80), (["COLUMNS": "40"], 40), (["COLUMNS": "many"], 80)] {
      let (_, text, _) = try command.onTerminal(
        ["view", "1", "--index", "1", "--protocol", "blocks"], PseudoTerminal(), environment: variables)
      let wanted = try TerminalPicture(
        PNGFile.readPixels(paths[1]), in: CellBox(columns: columns - 1, rows: 21), by: .blocks,
        hasTrueColor: false)
      #expect(text == wanted.text + paths[1] + "\n")
    }
  }

  @Test func aPipeGetsThePaths() throws {
    let (command, paths) = try command()
    #expect(try command("view", "1").output == paths.map { $0 + "\n" }.joined())
    #expect(try command("view", "1", "--index", "1").output == paths[1] + "\n")
    #expect(try command("view", "1", "--json").object()["pictures"] as? [String] == paths)
    #expect(try command("view", "made/1-0.png").output == paths[0] + "\n")
    let dumb = try command.onTerminal(["view", "1"], PseudoTerminal(), environment: ["TERM": "dumb"])
    #expect(dumb.text == paths.map { $0 + "\n" }.joined())
    // Who says how, gets it through a pipe, too.
    let sixel = try command("view", paths[0], "--protocol", "sixel").output
    let start = try #require(sixel.range(of: "\u{1B}P")), end = try #require(sixel.range(of: "\u{1B}\\"))
    let read = try SixelReader(String(sixel[start.lowerBound..<end.upperBound]))
    #expect(read.width == 64 && read.height == 48)
  }

  @Test func whatIsNotThereIsNamed() throws {
    let (command, paths) = try command()
    try FileManager.default.removeItem(atPath: paths[0])
    // The other is shown all the same.
    let shown = try command("view", "1", "--protocol", "blocks")
    expectComplaint(shown, code: 66, paths[0], output: nil)
    #expect(shown.output.contains("▀") && shown.output.hasSuffix(paths[1] + "\n"))
    expectComplaint(try command("view", "1"), code: 66, paths[0])
    try Data("no picture".utf8).write(to: URL(fileURLWithPath: paths[1]))
    expectComplaint(
      try command("view", paths[1], "--protocol", "kitty"), code: 65, paths[1], "not a readable PNG")
    expectComplaint(try command("view", "gone.png"), code: 66, "gone.png")
    expectComplaint(try command("view", "1", "--index", "2"), code: 65, "no picture 2", "2 pictures")
    expectComplaint(try command("view", "p.png", "--index", "0"), code: 64, "--index")
    _ = try command("enqueue", "q", "--model", "m")
    expectComplaint(try command("view", "2"), code: 65, "job 2 is queued", "segmoectl watch 2")
    _ = try command("cancel", "2")
    expectComplaint(try command("open", "2"), code: 65, "job 2 is cancelled", "segmoectl show 2")
  }

  @Test func aDesktopOpensThem() throws {
    let (command, paths) = try command()
    let bin = command.folder + "/bin"
    try command.file("bin/xdg-open", Data("#!/bin/sh\necho \"$1\" >>\"$LOG\"\n[ ! -e \"$LOG.fail\" ]\n".utf8))
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: bin + "/xdg-open")
    let log = command.folder + "/opened"
    func open(_ variables: [String: String], _ arguments: String...) throws -> Outcome {
      try command.run(
        ["open"] + arguments,
        environment: ["PATH": bin + ":/usr/bin:/bin", "LOG": log].merging(variables) { $1 })
    }
    // Neither opens anything.
    expectComplaint(
      try open([:], "1"), code: 69, "DISPLAY", "segmoectl view 1", output: paths.map { $0 + "\n" }.joined())
    expectComplaint(
      try open(["DISPLAY": ":0", "PATH": command.folder], "1"), code: 69, "xdg-utils", output: nil)
    #expect(!FileManager.default.fileExists(atPath: log))
    #expect(try open(["WAYLAND_DISPLAY": "wayland-0"], "1").code == 0)
    #expect(try open(["DISPLAY": ":0"], "1", "--index", "1").code == 0)
    #expect(
      try String(contentsOfFile: log, encoding: .utf8) == (paths + [paths[1]]).map { $0 + "\n" }.joined())
    try command.file("opened.fail", Data())
    expectComplaint(try open(["DISPLAY": ":0"], "1"), code: 70, "xdg-open", paths[0], output: nil)
  }
}
