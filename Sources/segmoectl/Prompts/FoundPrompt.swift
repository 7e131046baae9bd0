import CommandLine
import Requests

/// A prompt of a file, and where it stands.
struct FoundPrompt {
  /// What is said of it there.
  enum Content {
    /// A prompt without settings.
    case plain(String)
    /// With settings of its own.
    case settings(PromptLine)
  }

  let content: Content
  /// `prompts.csv:3`, for errors that are found later; nil: on the command line.
  let place: String?
}

/// A file of prompts in one of the formats.
protocol PromptReader {
  /// The next prompt, nil after the last.
  /// - Throws: `Problem.badInput` naming file, line and column.
  mutating func next() throws -> FoundPrompt?
}

/// A list of prompts, one a line.
struct LinePrompts: PromptReader {
  private var lines: LineReader
  /// Whether every line must be JSON.
  private let isStrict: Bool
  /// Whether prompts may begin with a brace.
  private let hasTemplates: Bool

  /// - Parameters:
  ///   - lines: the file.
  ///   - isStrict: whether every line must be JSON.
  ///   - hasTemplates: whether prompts may begin with a brace.
  init(_ lines: LineReader, isStrict: Bool, hasTemplates: Bool) {
    self.lines = lines
    self.isStrict = isStrict
    self.hasTemplates = hasTemplates
  }

  mutating func next() throws -> FoundPrompt? {
    while let line = try lines.next() {
      guard line.contains(where: { !$0.isWhitespace }) else { continue }
      let start = line.prefix { $0 == " " || $0 == "\t" }
      let text = line.dropFirst(start.count)
      guard text.hasPrefix("{"), !hasTemplates || PromptFormat.isObject(text) else {
        if isStrict {
          throw Problem.badInput("\(lines.place):1: is no JSON object; --format lines reads lines of text")
        }
        return FoundPrompt(content: .plain(line), place: lines.place)
      }
      return FoundPrompt(
        content: .settings(try JSONPrompts.object(Array(line.utf8), in: lines.name, line: lines.number)),
        place: lines.place)
    }
    return nil
  }
}

/// A JSON list of prompts and of objects with settings, or one such object.
struct JSONPrompts: PromptReader {
  private let name: String
  private var walk: JSONWalk
  private var isList: Bool?
  private var isOver = false

  /// - Parameters:
  ///   - bytes: the whole text.
  ///   - name: the name of the file.
  init(_ bytes: [UInt8], name: String) {
    self.name = name
    walk = JSONWalk(bytes)
  }

  mutating func next() throws -> FoundPrompt? {
    do {
      return try nextValue()
    } catch let fault as JSONWalk.Fault {
      throw Problem.badInput("\(name):\(fault.place.line):\(fault.place.column): \(fault.what)")
    }
  }

  private mutating func nextValue() throws -> FoundPrompt? {
    if isOver { return nil }
    walk.skipSpace()
    if isList == nil {
      isList = walk.pass("[")
      walk.skipSpace()
      if isList == true, walk.pass("]") { return try end() }
    }
    let start = walk.place
    var keys: [String: JSONWalk.Place] = [:]
    let bytes = try walk.value { keys[$0] = $1 }
    walk.skipSpace()
    if isList == true {
      if walk.pass("]") { _ = try end() } else { try walk.expect(",", "must be a comma or ']'") }
    } else {
      _ = try end()
    }
    return FoundPrompt(
      content: try Self.content(bytes, keys, start, name), place: "\(name):\(start.line):\(start.column)")
  }

  /// Nothing may follow.
  private mutating func end() throws -> FoundPrompt? {
    isOver = true
    walk.skipSpace()
    guard walk.isAtEnd else {
      throw JSONWalk.Fault(walk.place, "is more than one list or object; make one list of it")
    }
    return nil
  }

  private static func content(
    _ bytes: ArraySlice<UInt8>, _ keys: [String: JSONWalk.Place], _ start: JSONWalk.Place, _ name: String
  ) throws -> FoundPrompt.Content {
    let text = String(decoding: bytes, as: UTF8.self)
    switch bytes.first {
    case UInt8(ascii: "{"): return .settings(try settings(text, keys, start, name))
    case UInt8(ascii: "\""):
      guard let prompt = PromptLine.string(text) else {
        throw Problem.badInput("\(name):\(start.line):\(start.column): is no text")
      }
      return .plain(prompt)
    default:
      throw Problem.badInput(
        "\(name):\(start.line):\(start.column): must be a prompt in quotes, or an object with a \"prompt\"")
    }
  }

  private static func settings(
    _ text: String, _ keys: [String: JSONWalk.Place], _ start: JSONWalk.Place, _ name: String
  ) throws -> PromptLine {
    do {
      return try PromptLine.parse(text)
    } catch let error as RequestError {
      let place = error.setting.flatMap { keys[$0] } ?? start
      throw Problem.badInput("\(name):\(place.line):\(place.column): \(error.advice)")
    } catch let problem as Problem {
      throw problem.at("\(name):\(start.line):\(start.column)")
    }
  }

  /// The object that a line is.
  /// - Throws: `Problem.badInput` with the column.
  static func object(_ bytes: [UInt8], in name: String, line: Int) throws -> PromptLine {
    var walk = JSONWalk(bytes, line: line)
    do {
      walk.skipSpace()
      let start = walk.place
      var keys: [String: JSONWalk.Place] = [:]
      let text = try walk.value { keys[$0] = $1 }
      walk.skipSpace()
      guard walk.isAtEnd else { throw JSONWalk.Fault(walk.place, "comes after the object's end") }
      return try settings(String(decoding: text, as: UTF8.self), keys, start, name)
    } catch let fault as JSONWalk.Fault {
      throw Problem.badInput(
        "\(name):\(fault.place.line):\(fault.place.column): \(fault.what); the line begins with { but is not JSON: mend it, "
          + "or write a prompt with a brace as {\"prompt\": \"{…\"}")
    }
  }
}
