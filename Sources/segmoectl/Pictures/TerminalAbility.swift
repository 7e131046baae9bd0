import ArgumentParser
import Foundation
import Images

extension TerminalProtocol: ExpressibleByArgument {}

/// How a terminal shows pictures, as it says of itself in the environment. Nobody is asked: an answer that does not come
/// would be waited for, and one that comes late would be typed into the shell.
package struct TerminalAbility: Equatable {
  /// What it understands.
  package let way: TerminalProtocol
  /// Whether text may have any colour.
  package let hasTrueColor: Bool

  /// - Parameters:
  ///   - environment: the environment variables.
  ///   - forced: what a person said; nil: what the environment tells.
  package init(environment: [String: String], forced: TerminalProtocol? = nil) {
    hasTrueColor = ["truecolor", "24bit"].contains(environment["COLORTERM"] ?? "")
    way = forced ?? Self.way(environment)
  }

  private static func way(_ environment: [String: String]) -> TerminalProtocol {
    let terminal = environment["TERM"] ?? ""
    let program = environment["TERM_PROGRAM"] ?? ""
    func isSet(_ name: String) -> Bool { environment[name]?.isEmpty == false }
    // What stands between keeps the sequences to itself, and the variables are those of the terminal around it.
    if isSet("TMUX") || isSet("STY") || ["tmux", "screen"].contains(where: terminal.hasPrefix) {
      return .blocks
    }
    if isSet("KITTY_WINDOW_ID") || ["xterm-kitty", "xterm-ghostty"].contains(terminal) || program == "ghostty"
    {
      return .kitty
    }
    if ["iTerm.app", "WezTerm", "mintty"].contains(program) || environment["LC_TERMINAL"] == "iTerm2" {
      return .iterm2
    }
    // Konsole shows Sixel since 22.04.
    let konsole = environment["KONSOLE_VERSION"].flatMap { Int($0) } ?? 0
    let hasSixel = ["foot", "mlterm", "yaft", "contour"].contains(where: terminal.hasPrefix)
    return hasSixel || terminal.contains("sixel") || konsole >= 220_400 ? .sixel : .blocks
  }

  /// Whether standard output is a terminal that shows more than text.
  static func isThere(_ environment: [String: String]) -> Bool {
    isatty(STDOUT_FILENO) != 0 && (environment["TERM"] ?? "dumb") != "dumb"
  }
}
