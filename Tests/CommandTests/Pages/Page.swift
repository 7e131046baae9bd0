import Foundation
import TestSupport

/// The commands of a page of the documentation, with what they print.
///
/// They are in fenced blocks. A line that begins with `$ ` is a command, and goes on while it ends with a backslash, a
/// quote is open, or a here-document is not over. The lines after it are what it prints; `…` stands for anything, and
/// alone for any lines. A block after a line `<!-- not run: WHY -->` is not run.
struct Page {
  struct Command: CustomStringConvertible {
    let text: String
    let output: [String]

    var description: String { text }

    /// Whether an error of a program is what the page shows.
    var isMistake: Bool { output.contains { $0.contains(#/^(segmoe|segmoectl|segmoed): /#) } }

    /// Whether it prints what the page shows.
    func prints(_ text: String) -> Bool {
      var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
      if lines.last == "" { lines.removeLast() }
      return Self.match(output[...], lines[...])
    }

    private static func match(_ shown: ArraySlice<String>, _ lines: ArraySlice<String>) -> Bool {
      guard let first = shown.first else { return lines.isEmpty }
      if first == "…" {
        return (lines.startIndex...lines.endIndex).contains { match(shown.dropFirst(), lines[$0...]) }
      }
      guard let line = lines.first, fits(line, first) else { return false }
      return match(shown.dropFirst(), lines.dropFirst())
    }

    private static func fits(_ line: String, _ shown: String) -> Bool {
      let parts = shown.components(separatedBy: "…")
      guard parts.count > 1 else { return line == shown }
      guard line.hasPrefix(parts[0]), line.count >= parts[0].count + parts[parts.count - 1].count,
        line.hasSuffix(parts[parts.count - 1])
      else { return false }
      var rest = line.dropFirst(parts[0].count).dropLast(parts[parts.count - 1].count)
      for part in parts.dropFirst().dropLast() where !part.isEmpty {
        guard let found = rest.range(of: part) else { return false }
        rest = rest[found.upperBound...]
      }
      return true
    }
  }

  /// A page that this reader does not understand.
  struct Malformed: Error {
    let line: String
  }

  private(set) var commands: [Command] = []
  /// Why blocks are not run.
  private(set) var exceptions: [String] = []

  /// - Throws: `Malformed` for a block that does not begin with a command, or ends within one.
  init(_ text: String) throws {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)[...]
    var isException = false
    while let line = lines.popFirst() {
      if let match = line.wholeMatch(of: #/<!-- not run: (.*) -->/#) {
        exceptions.append(String(match.1))
        isException = true
      }
      guard line.drop(while: { $0 == " " }).hasPrefix("```") else { continue }
      let indent = line.prefix { $0 == " " }.count
      var block: [String] = []
      while let inner = lines.popFirst(), !inner.drop(while: { $0 == " " }).hasPrefix("```") {
        block.append(String(inner.dropFirst(indent)))
      }
      if !isException { try read(block) }
      isException = false
    }
  }

  private mutating func read(_ block: [String]) throws {
    var lines = block[...]
    while let line = lines.popFirst() {
      guard line.hasPrefix("$ ") else { throw Malformed(line: line) }
      var text = String(line.dropFirst(2))
      if let end = line.firstMatch(of: #/<<'(\w+)'/#)?.1 {
        while true {
          guard let inner = lines.popFirst() else { throw Malformed(line: line) }
          text += "\n" + inner
          if inner == end { break }
        }
      } else {
        while text.hasSuffix("\\") || Self.hasOpenQuote(text) {
          guard let inner = lines.popFirst() else { throw Malformed(line: line) }
          text += "\n" + inner
        }
      }
      var output: [String] = []
      while let next = lines.first, !next.hasPrefix("$ ") {
        output.append(next)
        lines.removeFirst()
      }
      commands.append(Command(text: text, output: output))
    }
  }

  private static func hasOpenQuote(_ text: String) -> Bool {
    var (quote, isEscaped): (Character?, Bool) = (nil, false)
    for character in text {
      if isEscaped {
        isEscaped = false
      } else if character == "\\", quote != "'" {
        isEscaped = true
      } else if quote == nil, character == "\"" || character == "'" {
        quote = character
      } else if quote == character {
        quote = nil
      }
    }
    return quote != nil
  }
}

extension Page {
  /// What a command printed, on both streams, and its exit code.
  struct Result {
    let output: String
    let code: Int
  }

  /// Runs all commands in one shell, as a person would, in a folder that has the repository's demo. What is started in the
  /// background and not ended by the page is ended after it.
  /// - Returns: a result for each command that was reached.
  func run() throws -> [Result] {
    let place = try TemporaryFolder()
    try FileManager.default.createSymbolicLink(
      atPath: place.file("demo"), withDestinationPath: Places.inRepository("demo"))
    // Marks that no program prints.
    var script = "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n"
    for (index, command) in commands.enumerated() {
      let file = place.file("output-\(index)")
      script += "{\n\(command.text)\n} >'\(file)' 2>&1\necho $? >'\(file).code'\n"
    }
    let programs = URL(fileURLWithPath: try Places.program("segmoectl")).deletingLastPathComponent().path
    let path = try place.write("page.sh", script)
    _ = try Outcome(
      of: "/usr/bin/timeout", ["--kill-after=5", "\(Patience.seconds)", "/bin/bash", path], in: place.path,
      environment: [
        "PATH": "\(programs):/usr/bin:/bin", "HOME": place.path, "TZ": "UTC", "LC_ALL": "C.UTF-8",
      ])
    return commands.indices.prefix { FileManager.default.fileExists(atPath: place.file("output-\($0).code")) }
      .map { index in
        let file = place.file("output-\(index)")
        let code = (try? String(contentsOfFile: file + ".code", encoding: .utf8)) ?? ""
        let output = (try? Data(contentsOf: URL(fileURLWithPath: file))) ?? Data()
        return Result(
          output: String(decoding: output, as: UTF8.self),
          code: Int(code.trimmingCharacters(in: .whitespacesAndNewlines)) ?? -1)
      }
  }
}
