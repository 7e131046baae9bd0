/// Where something stands in a template: both numbers are from 1, the column is in characters.
package struct TemplatePlace: Hashable, Sendable {
  /// The wildcard's file; nil: the prompt itself.
  package let file: String?
  /// The line in the file or the prompt.
  package let line: Int
  /// The character in the line.
  package let column: Int

  /// - Parameters:
  ///   - file: a wildcard's file; nil: the prompt itself.
  ///   - line: from 1.
  ///   - column: from 1.
  package init(file: String? = nil, line: Int = 1, column: Int = 1) {
    self.file = file
    self.line = line
    self.column = column
  }
}

extension TemplatePlace: CustomStringConvertible {
  package var description: String {
    if let file { return "\(file):\(line):\(column)" }
    return line == 1 ? "column \(column)" : "line \(line), column \(column)"
  }
}

/// Why a template is refused, and where.
package struct TemplateError: Error, Equatable {
  /// What is wrong.
  package enum Fault: Equatable, Sendable {
    /// Something opens and never closes.
    case unclosed(String)
    /// A brace closes nothing.
    case stray
    /// Something else must stand here.
    case expected(String)
    /// dynamicprompts has it, segmoe does not. `instead` says what to write.
    case unsupported(String, instead: String)
    /// A weight that is no number from 0 to a thousand million.
    case badWeight(String)
    /// All weights of a choice are 0.
    case noWeight
    /// `$$` without a count before it.
    case badCount
    /// `{2$$$$a|b}`
    case emptySeparator
    /// A wildcard's name that can be no file below the folder.
    case badName(String)
    /// A variable that nobody sets.
    case unknownVariable(String)
    /// Variables that need each other, the first one twice.
    case variableCycle([String])
    /// No file has that name. `near` is the most similar one.
    case unknownWildcard(String, near: String?)
    /// A wildcard without a single line.
    case emptyWildcard(String)
    /// Wildcards that need each other, the first one twice.
    case wildcardCycle([String])
    /// A file or folder that cannot be read; `why` is the system's word for it.
    case unreadable(String, why: String)
    /// A link in the folder of wildcards.
    case link(String)
    /// A line that is not UTF-8.
    case notUTF8
    /// Braces, variables and wildcards within each other.
    case tooDeep(limit: Int)
    /// The template itself, in bytes.
    case longTemplate(bytes: Int, limit: Int)
    /// The longest text that it may give, in bytes.
    case longText(bytes: Int, limit: Int)
    /// Pieces of one text, variables and wildcards counted as often as they are used.
    case tooManyParts(limit: Int)
    /// Combinations; `Int.max` stands for that many or more.
    case tooMany(count: Int, isExact: Bool, limit: Int)
    /// Every combination takes something twice.
    case nothing
    /// Files, folders within folders or bytes of a folder of wildcards.
    case largeFolder(String)
  }

  /// What is wrong.
  package let fault: Fault
  /// Where; nil: the template as a whole.
  package let place: TemplatePlace?

  /// - Parameters:
  ///   - fault: what is wrong.
  ///   - place: where; nil: the template as a whole.
  package init(_ fault: Fault, at place: TemplatePlace? = nil) {
    self.fault = fault
    self.place = place
  }
}

extension TemplateError: CustomStringConvertible {
  package var description: String { place.map { "\($0): \(fault)" } ?? "\(fault)" }
}

extension TemplateError.Fault: CustomStringConvertible {
  package var description: String {
    switch self {
    case .unclosed("__"): "'__' begins a wildcard whose name never ends in '__'; write \\_ for the character"
    case .unclosed(let what): "'\(what)' is never closed; write '}', or \\\(what) for the characters"
    case .stray: "'}' closes nothing; write \\} for the character"
    case .expected(let what): "must be \(what)"
    case .unsupported(let what, let instead): "\(what) is not built; \(instead)"
    case .badWeight(let text):
      "'\(text.prefix(40))' is no weight: write a number from 0 to 1000000000 right before '::', or \\: for the character"
    case .noWeight: "all weights are 0; give one choice more"
    case .badCount: "'$$' needs a count before it, as in {2$$a|b} or {1-2$$a|b}; write \\$ for the character"
    case .emptySeparator: "the separator is empty; write {2$$ $$a|b}, or leave it out for a comma"
    case .badName(let name):
      "'\(name.prefix(60))' is no wildcard's name: write a path below the folder, such as animals/cats"
    case .unknownVariable(let name):
      "variable '\(name)' is not set here; write ${\(name)=…} before, or a default: ${\(name):…}"
    case .variableCycle(let names): "variables need each other: \(names.joined(separator: " → "))"
    case .unknownWildcard(let name, let near):
      "there is no wildcard '\(name)'"
        + (near.map { "; did you mean '\($0)'?" } ?? ": no file of that name ends in .txt below the folder")
    case .emptyWildcard(let name): "wildcard '\(name)' has no line; write one text a line"
    case .wildcardCycle(let names): "wildcards need each other: \(names.joined(separator: " → "))"
    case .unreadable(let path, let why): "\(path) can't be read: \(why)"
    case .link(let path): "\(path) is a link; wildcards are files below their folder, so copy it there"
    case .notUTF8: "not UTF-8; convert the file (iconv -t UTF-8)"
    case .tooDeep(let limit): "nested more than \(limit) deep, wildcards and variables included"
    case .longTemplate(let bytes, let limit): "the template has \(bytes) bytes; at most \(limit) are allowed"
    case .longText(let bytes, let limit):
      "the longest text has \(Self.number(bytes)) bytes; at most \(limit) are allowed"
    case .tooManyParts(let limit): "a text is made of more than \(limit) parts"
    case .tooMany(let count, let isExact, let limit):
      "\(isExact ? "" : "up to ")\(Self.number(count)) combinations; at most \(limit) are allowed, so take some at random"
    case .nothing: "no combination is left: every one would take something twice"
    case .largeFolder(let what): what
    }
  }

  /// A count as it is said.
  private static func number(_ count: Int) -> String { count == .max ? "more than 10^18" : "\(count)" }
}
