import Boundary
import CommandLine
import Requests

/// A table with a header, whose columns are settings (RFC 4180; a cell in quotes may hold separators and new lines).
struct TablePrompts: PromptReader {
  private var lines: LineReader
  private let separator: Character
  private let columns: [String]

  /// A cell, and where it begins.
  private struct Cell {
    var text = ""
    let line: Int
    let column: Int
  }

  /// Reads the header.
  /// - Parameters:
  ///   - lines: the file.
  ///   - separator: nil: a comma, or a semicolon if the header has those alone.
  /// - Throws: `Problem.badInput` for a header without a prompt, and for a column that is no setting.
  init(_ lines: LineReader, separator: Character?) throws {
    self.lines = lines
    let header = try self.lines.peekLine()
    self.separator = separator ?? (header.contains(";") && !header.contains(",") ? ";" : ",")
    (columns, self.lines) = try Self.header(self.lines, self.separator)
  }

  private static func header(_ lines: LineReader, _ separator: Character) throws -> ([String], LineReader) {
    var lines = lines
    let known = Setting.all.map(\.name) + ["priority"]
    let cells = try record(&lines, separator) ?? []
    var columns: [String] = []
    for cell in cells {
      // As spreadsheets have them: "Negative Prompt".
      let words = cell.text.trimmed.lowercased().split { $0 == " " || $0 == "-" || $0 == "_" }
      let name = words.joined(separator: "_")
      let place = "\(lines.name):\(cell.line):\(cell.column)"
      guard known.contains(name) else {
        throw Problem.badInput(
          "\(place): column '\(cell.text.trimmed.prefix(60))' is no setting: \(Nearest.advice(name, among: known)); "
            + "--format lines reads lines of text")
      }
      guard !columns.contains(name) else { throw Problem.badInput("\(place): column '\(name)' comes twice") }
      columns.append(name)
    }
    guard columns.contains("prompt") else {
      throw Problem.badInput(
        "\(lines.name):1:1: a table needs a header with a column 'prompt'; --format lines reads lines of text"
      )
    }
    return (columns, lines)
  }

  mutating func next() throws -> FoundPrompt? {
    while let cells = try Self.record(&lines, separator) {
      guard cells.count > 1 || cells.contains(where: { !$0.text.trimmed.isEmpty }) else { continue }
      return try prompt(cells)
    }
    return nil
  }

  private func prompt(_ cells: [Cell]) throws -> FoundPrompt {
    let first = cells[0]
    let place = "\(lines.name):\(first.line)"
    guard cells.count == columns.count else {
      let column = cells.count > columns.count ? cells[columns.count].column : first.column
      throw Problem.badInput(
        "\(place):\(column): \(cells.count) cells under \(columns.count) columns; put text with a '\(separator)' into quotes"
      )
    }
    var draft = RequestDraft()
    var priority: Int?
    for (name, cell) in zip(columns, cells) {
      // An empty cell says nothing, but a prompt may be empty.
      if cell.text.isEmpty && name != "prompt" { continue }
      do {
        if name == "priority" {
          guard let number = Int(cell.text.trimmed) else {
            throw RequestError.wrongKind(setting: name, wanted: Int.kind)
          }
          priority = number
        } else {
          try draft.read(cell: cell.text, as: name)
        }
      } catch let error as RequestError {
        throw Problem.badInput("\(lines.name):\(cell.line):\(cell.column): \(error.advice)")
      }
    }
    return FoundPrompt(content: .settings(PromptLine(draft: draft, priority: priority)), place: place)
  }

  /// The cells of the next record; nil after the last.
  private static func record(_ lines: inout LineReader, _ separator: Character) throws -> [Cell]? {
    guard var text = try lines.next() else { return nil }
    let first = lines.number
    var cells: [Cell] = []
    var (line, column) = (first, 1)
    var cell = Cell(line: line, column: column)
    var (isQuoted, isOver) = (false, false)
    var rest = text[...]
    while true {
      guard let character = rest.popFirst() else {
        guard isQuoted else { break }
        guard let more = try lines.next() else {
          throw Problem.badInput("\(lines.name):\(cell.line):\(cell.column): is a quote that is never closed")
        }
        guard cell.text.utf8.count < LineReader.longestLine else {
          throw Problem.badInput(
            "\(lines.name):\(cell.line):\(cell.column): a cell is longer than 1 MiB; is a quote open?")
        }
        cell.text.append("\n")
        (line, column, text) = (line + 1, 1, more)
        rest = text[...]
        continue
      }
      column += 1
      if isQuoted {
        if character != "\"" {
          cell.text.append(character)
        } else if rest.first == "\"" {
          rest.removeFirst()
          column += 1
          cell.text.append("\"")
        } else {
          (isQuoted, isOver) = (false, true)
        }
      } else if character == separator {
        cells.append(cell)
        cell = Cell(line: line, column: column)
        isOver = false
      } else if isOver {
        guard character.isWhitespace else {
          throw Problem.badInput(
            "\(lines.name):\(line):\(column - 1): comes after a closing quote; write a quote as \"\"")
        }
      } else if character == "\"", cell.text.trimmed.isEmpty {
        isQuoted = true
        cell.text = ""
      } else {
        cell.text.append(character)
      }
    }
    return cells + [cell]
  }
}

extension RequestDraft {
  /// A cell of a table. Lists may be JSON.
  fileprivate mutating func read(cell: String, as name: String) throws {
    if name == "prompt" || name == "negative_prompt" { return try read(name, cell) }
    let text = cell.trimmed
    if text.hasPrefix("[") { try read(json: text, as: name) } else { try read(name, text) }
  }
}

extension String {
  /// Without spaces at its ends.
  fileprivate var trimmed: String { String(trimming { $0.isWhitespace }) }
}
