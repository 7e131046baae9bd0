import ArgumentParser
import Boundary
import Foundation

/// What a program does before and after its command.
extension ParsableCommand {
  /// Parses the arguments, runs the command, reports an error, and ends the process.
  /// - Parameter prepare: what to do between parsing and running, unless somebody asks for help.
  package static func runToEnd(_ prepare: () throws -> Void = {}) -> Never {
    do {
      let arguments = Array(Swift.CommandLine.arguments.dropFirst())
      // Alone, a program says what it can do, whatever command it would take.
      guard !arguments.isEmpty || configuration.defaultSubcommand == nil else {
        print(helpMessage())
        end(ProgramExit.done.rawValue)
      }
      try CommandPath.check(arguments, of: self)
      var command = try parseAsRoot()
      if !asksForHelp { try prepare() }
      try command.run()
    } catch {
      end(report(error))
    }
    end(ProgramExit.done.rawValue)
  }

  private static var asksForHelp: Bool {
    Swift.CommandLine.arguments.dropFirst().contains { ["help", "--help", "-h", "--version"].contains($0) }
  }

  /// Prints help if somebody asked for it, and an error as one line.
  /// - Returns: The exit code.
  package static func report(_ error: any Error) -> Int32 {
    if let problem = Problem(error) {
      complain(problem.message)
      return problem.code
    }
    let code = exitCode(for: error)
    if code.isSuccess {
      print(fullMessage(for: error))
      return ProgramExit.done.rawValue
    }
    if error is ExitCode { return code.rawValue }
    let message = oneLine(message(for: error))
    guard code == .validationFailure else {
      complain(message)
      return ProgramExit.failed.rawValue
    }
    let command = CommandPath(of: self, usage: fullMessage(for: error))
    if let word = command.unknownCommand(message) {
      complain(command.advice(word))
    } else {
      // Behind a question no other mark.
      let words = message.isEmpty ? "wrong usage" : message
      complain("\(words)\(words.hasSuffix("?") ? "" : ";") `\(command.text) --help` shows what there is")
    }
    return ProgramExit.usage.rawValue
  }

  /// Ends the process once what was printed is out. The libraries' own farewells are left out: OpenBLAS waits for its
  /// threads, one of which may never come to an end where memory is refused.
  package static func end(_ code: Int32) -> Never {
    fflush(nil)
    _exit(code)
  }

  /// What the parser says, its lists of values included.
  private static func oneLine(_ message: String) -> String {
    let lines = message.split(whereSeparator: \.isNewline).map { $0.trimmingCharacters(in: .whitespaces) }
    let text = lines.joined(separator: " ").replacingOccurrences(of: ": - ", with: ": ")
      .replacingOccurrences(of: " - ", with: ", ")
    return text.hasSuffix(".") ? String(text.dropLast()) : text
  }
}

/// Writes one line to standard error, after the name that the program was called by.
package func complain(_ message: String) {
  let name = Swift.CommandLine.arguments.first.flatMap { $0.split(separator: "/").last } ?? "segmoe"
  StandardStreams.complain(PlainText.line("\(name): \(message)") + "\n")
}

/// What `--json` prints.
package enum JSONOutput {
  /// One line: keys in order, unprintable characters escaped.
  /// - Parameters:
  ///   - value: what to print.
  ///   - strategy: how keys are written.
  /// - Throws: `EncodingError`
  package static func text(
    _ value: some Encodable, keys strategy: JSONEncoder.KeyEncodingStrategy = .convertToSnakeCase
  ) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = strategy
    return PlainText.shown(json: String(decoding: try encoder.encode(value), as: UTF8.self))
  }
}
