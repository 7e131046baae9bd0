import ArgumentParser
import Boundary
import CommandLine
import Foundation
import Images

/// `segmoectl view`
struct View: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show a job's finished pictures, or a PNG file, in the terminal.",
    discussion: """
      How depends on the terminal: Kitty's graphics, iTerm2's inline images, Sixel, or else half blocks in 24-bit colour \
      (256 colours unless COLORTERM is truecolor). --protocol chooses. Within tmux and screen it is half blocks, since \
      they pass nothing else on. A picture is made as small as the terminal, and never larger than it is.

      Into a pipe it prints the paths, unless --protocol is given.
      """)

  @OptionGroup var pictures: NamedPictures

  @Option(
    name: .customLong("protocol"),
    help: ArgumentHelp(
      "\(TerminalProtocol.allCases.map(\.rawValue).joined(separator: ", ")) (default: what the terminal says of itself).",
      valueName: "name"))
  var way: TerminalProtocol?

  func run() throws {
    let environment = ProcessInfo.processInfo.environment
    let paths = try pictures.paths()
    guard !pictures.format.json, way != nil || TerminalAbility.isThere(environment) else {
      return try pictures.list(paths)
    }
    let ability = TerminalAbility(environment: environment, forced: way)
    let window = TerminalWindow(environment: environment)
    var problems: [ImageError] = []
    for path in paths {
      do throws(ImageError) {
        // Room for the path below, and for the shell's line.
        let shown = try TerminalPicture(
          PNGFile.readPixels(path), in: window.box(rows: window.rows - 3), by: ability.way,
          hasTrueColor: ability.hasTrueColor)
        print(shown.text, terminator: "")
        print(PlainText.line(path))
      } catch {
        problems.append(error)
      }
    }
    fflush(nil)
    // The others are shown all the same.
    for problem in problems.dropLast() { complain("\(problem)") }
    if let last = problems.last { throw last }
  }
}
