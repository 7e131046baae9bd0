import ArgumentParser
import Boundary
import Glibc

/// The command that a wrong usage is about, as the usage line of the parser's message names it.
struct CommandPath {
  /// `segmoectl enqueue`
  let text: String
  /// The commands that it has.
  let names: [String]
  private let isRoot: Bool

  /// - Parameters:
  ///   - root: the program's command.
  ///   - usage: the parser's whole message, with a line that begins with "Usage: " and the command's names.
  init(of root: any ParsableCommand.Type, usage: String) {
    var command = root
    var words = [root._commandName]
    let line = usage.split(whereSeparator: \.isNewline).first { $0.hasPrefix("Usage: ") } ?? ""
    for word in line.split(separator: " ").dropFirst(2) {
      guard let next = command.configuration.subcommands.first(where: { $0._commandName == word }) else {
        break
      }
      command = next
      words.append(String(word))
    }
    text = words.joined(separator: " ")
    names = command.configuration.subcommands.map { $0._commandName }
    isRoot = words.count == 1
  }

  /// Where a program takes its first word for an argument if it is no command, a mistyped command would be one.
  /// - Throws: `Problem.usage`
  static func check(_ arguments: [String], of root: any ParsableCommand.Type) throws {
    let names =
      root.configuration.subcommands.flatMap { [$0._commandName] + $0.configuration.aliases } + ["help"]
    // The parser would show the program's own help.
    if arguments.first == "help", let word = arguments.dropFirst().first, !word.hasPrefix("-"),
      !names.contains(word)
    {
      throw Problem.usage(CommandPath(of: root, usage: "").advice(word))
    }
    guard root.configuration.defaultSubcommand != nil, let word = arguments.first, !word.hasPrefix("-") else {
      return
    }
    guard !names.contains(word), access(word, F_OK) != 0, Nearest.nearest(word, among: names) != nil else {
      return
    }
    throw Problem.usage(CommandPath(of: root, usage: "").advice(word))
  }

  /// What is said of a word that is no command.
  func advice(_ word: String) -> String {
    let advice = Nearest.advice(word, among: names)
    return
      "there is no command '\(word)': \(advice)\(advice.hasSuffix("?") ? "" : ";") `\(text) --help` shows what there is"
  }

  /// The word that stands where a command should; nil if that is not what a message is about.
  func unknownCommand(_ message: String) -> String? {
    guard isRoot, !names.isEmpty,
      let match = message.firstMatch(of: #/[Uu]nexpected arguments?:? '([^']+)'/#)
    else { return nil }
    return String(match.1)
  }
}
