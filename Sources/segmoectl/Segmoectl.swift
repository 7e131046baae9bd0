import ArgumentParser
import Boundary
import CommandLine
import Foundation
import Release

/// The client of the render queue. It reads and writes the database and nothing else: no engine, no socket.
struct Segmoectl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segmoectl",
    abstract: "Put prompts into segmoed's queue, and follow them.",
    discussion: """
      The queue is an SQLite database: --database FILE, else $SEGMOE_DATABASE, else
      ~/.local/state/segmoe/queue.sqlite (as a systemd service /var/lib/segmoe/queue.sqlite).
      It is created if it does not exist. With --json every command prints one line of JSON.

      Exit codes: 0 done, 64 wrong usage, 65 bad input, 66 missing file, 69 daemon or model unavailable,
      70 anything else. Errors go to standard error, one line each.
      """,
    version: Version.current,
    subcommands: [
      Enqueue.self, List.self, Show.self, Watch.self, Cancel.self, Retry.self, Pause.self, Resume.self,
      Reorder.self, Purge.self, Models.self, Status.self, Stats.self,
    ])

  @OptionGroup var location: Location
}

@main
enum Main {
  static func main() {
    do {
      var command = try Segmoectl.parseAsRoot()
      try command.run()
    } catch {
      exit(report(error))
    }
  }

  /// Prints help if it was asked for, or an error as one line.
  /// - Returns: The exit code.
  private static func report(_ error: any Error) -> Int32 {
    if let problem = Problem(error) {
      complain(problem.message)
      return problem.code
    }
    let code = Segmoectl.exitCode(for: error)
    if code.isSuccess {
      print(Segmoectl.fullMessage(for: error))
      return 0
    }
    if error is ExitCode { return code.rawValue }
    complain("\(oneLine(Segmoectl.message(for: error))); `segmoectl --help` shows what there is")
    return code.rawValue
  }

  /// The parser's message as one line, with its lists of values.
  private static func oneLine(_ message: String) -> String {
    let lines = message.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
    let text = lines.joined(separator: " ").replacingOccurrences(of: ": - ", with: ": ")
      .replacingOccurrences(of: " - ", with: ", ")
    return text.hasSuffix(".") ? String(text.dropLast()) : text
  }
}

/// Writes one line to standard error.
func complain(_ message: String) {
  FileHandle.standardError.write(Data("segmoectl: \(PlainText.line(message))\n".utf8))
}
