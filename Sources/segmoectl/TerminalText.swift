import Boundary

/// Columns, bars and times on a terminal.
enum TerminalText {
  /// Plain text of at most `columns` columns, with an ellipsis if it was cut.
  static func plain(_ text: String, columns: Int) -> String {
    // The beginning of a long prompt is enough.
    let line = PlainText.line(text, limit: columns * 16 + 100)
    if width(line) <= columns { return line }
    var result = ""
    var used = 0
    for character in line {
      let wide = width(of: character)
      if used + wide > columns - 1 { break }
      result.append(character)
      used += wide
    }
    return result + "…"
  }

  /// Text padded with spaces to `columns` columns.
  static func padded(_ text: String, columns: Int) -> String {
    text + String(repeating: " ", count: max(0, columns - width(text)))
  }

  /// How many columns a terminal needs for it.
  static func width(_ text: String) -> Int {
    text.reduce(0) { $0 + width(of: $1) }
  }

  /// Roughly Unicode's East Asian Width: enough to keep columns straight.
  private static func width(of character: Character) -> Int {
    guard let scalar = character.unicodeScalars.first else { return 0 }
    switch scalar.value {
    case 0x1100...0x115F, 0x2E80...0xA4CF, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE30...0xFE6F,
      0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF, 0x1F900...0x1FAFF,
      0x20000...0x3FFFD:
      return 2
    default:
      return scalar.properties.isEmojiPresentation ? 2 : 1
    }
  }

  /// "1 job" or "2 jobs".
  static func count(_ number: Int, _ noun: String) -> String { "\(number) \(noun)\(number == 1 ? "" : "s")" }

  /// "0:42", "12:05" or "1:02:03".
  static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e9 else { return "?" }
    let whole = Int(max(0, seconds).rounded())
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
    let tail = (rest < 10 ? "0" : "") + "\(rest)"
    if hours == 0 { return "\(minutes):\(tail)" }
    return "\(hours):\(minutes < 10 ? "0" : "")\(minutes):\(tail)"
  }

  /// A bar of `columns` columns.
  static func bar(_ share: Double, columns: Int) -> String {
    let filled = Int((min(max(share, 0), 1) * Double(columns)).rounded())
    return String(repeating: "█", count: filled) + String(repeating: "░", count: columns - filled)
  }

  /// Rows in columns as wide as their widest cell. The last column is not padded.
  static func table(_ header: [String], _ rows: [[String]]) -> String {
    var widths = header.map(width)
    for row in rows {
      for (column, cell) in row.enumerated() where widths.indices.contains(column) {
        widths[column] = max(widths[column], width(cell))
      }
    }
    return ([header] + rows).map { row in
      let cells = row.enumerated().map { column, cell in
        column == row.count - 1 ? cell : padded(cell, columns: widths[column])
      }
      return cells.joined(separator: "  ")
    }.joined(separator: "\n")
  }
}
