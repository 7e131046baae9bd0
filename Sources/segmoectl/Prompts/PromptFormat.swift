import ArgumentParser

/// How prompts are written in a file.
package enum PromptFormat: String, CaseIterable, ExpressibleByArgument {
  /// What the content looks like.
  case auto
  /// A prompt a line. A line that begins with { is a JSON object with settings.
  case lines
  /// The same, with objects alone.
  case jsonl
  /// A JSON list of prompts or of objects, or one object.
  case json
  /// Comma-separated values with a header (RFC 4180).
  case csv
  /// The same with tabs.
  case tsv
  /// A YAML list of prompts or of settings.
  case yaml

  /// What a file's content looks like.
  /// - Parameters:
  ///   - start: the first bytes, in UTF-8 and without a byte order mark.
  ///   - name: the file's name. It says what the content was meant to be: a table without a header is no list of
  ///     prompts.
  ///   - hasTemplates: whether prompts may begin with a brace.
  package init(start: String, name: String, hasTemplates: Bool = false) {
    let lines = start.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
    let first = lines.first { line in
      line.contains { !$0.isWhitespace }
    }
    guard let first else {
      self = .lines
      return
    }
    let line = first.drop(while: \.isWhitespace)
    if line.hasPrefix("[") {
      let rest = start.drop { $0.isWhitespace }.dropFirst().drop { $0.isWhitespace }
      let isList = rest.hasPrefix("{") && (!hasTemplates || Self.isObject(rest))
      if isList || rest.hasPrefix("\"") || rest.hasPrefix("]") {
        self = .json
        return
      }
    }
    if line.hasPrefix("{"), !hasTemplates || Self.isObject(line) {
      // An object over several lines.
      let isOpen = ["{", "[", ","].contains(line.last { !$0.isWhitespace })
      self = isOpen ? .json : Self.isNamed(name, ["jsonl", "ndjson"]) ? .jsonl : .lines
      return
    }
    if line == "---" || line.hasPrefix("--- ") || line.hasPrefix("%YAML") || line == "-"
      || line.hasPrefix("- ")
    {
      self = .yaml
      return
    }
    if let table = Self.table(header: line) {
      self = table
      return
    }
    let endings: [(PromptFormat, [String])] = [
      (.csv, ["csv"]), (.tsv, ["tsv", "tab"]), (.json, ["json"]), (.yaml, ["yaml", "yml"]),
      (.jsonl, ["jsonl", "ndjson"]),
    ]
    self = endings.first { Self.isNamed(name, $0.1) }?.0 ?? .lines
  }

  /// Whether a text that begins with a brace looks like a JSON object and not like `{a|b}`: a quote comes next, or the
  /// other brace, or nothing.
  static func isObject(_ text: Substring) -> Bool {
    let next = text.dropFirst().first { !$0.isWhitespace }
    return next == nil || next == "\"" || next == "}"
  }

  private static func isNamed(_ name: String, _ endings: [String]) -> Bool {
    endings.contains { name.lowercased().hasSuffix("." + $0) }
  }

  /// Whether a line is a table's header: one of its cells is `prompt`, and nothing else.
  private static func table(header line: Substring) -> PromptFormat? {
    for (format, separator) in [(PromptFormat.tsv, "\t"), (.csv, ","), (.csv, ";")]
      as [(PromptFormat, Character)]
    {
      let cells = line.split(separator: separator, omittingEmptySubsequences: false).map {
        $0.filter { $0 != "\"" && !$0.isWhitespace }.lowercased()
      }
      if cells.contains("prompt") { return format }
    }
    return nil
  }
}
