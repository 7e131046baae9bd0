import Foundation

/// Text for a label on a picture: letters that `BitmapFont` has, in lines of a width.
package enum LabelText {
  /// Lines of at most `columns` letters. What does not fit into `lines` lines ends in dots.
  /// - Parameters:
  ///   - text: any text; line breaks count as spaces.
  ///   - columns: at least 4.
  ///   - lines: at least 1.
  package static func wrapped(_ text: String, columns: Int, lines: Int) -> [String] {
    let columns = max(4, columns)
    let most = max(1, lines)
    // A prompt may be long, and only its beginning can be shown.
    let shown = latin(String(text.prefix(columns * most * 2)))
    var result: [String] = []
    var line = ""
    for word in shown.split(separator: " ") {
      var word = word
      if !line.isEmpty, line.count + 1 + word.count > columns {
        result.append(line)
        line = ""
      }
      // A word that no line can hold is cut.
      while word.count > columns {
        result.append(String(word.prefix(columns)))
        word = word.dropFirst(columns)
      }
      line += line.isEmpty ? word : " " + word
    }
    if !line.isEmpty { result.append(line) }
    guard result.count > most || text.count > columns * most * 2 else { return result }
    result = Array(result.prefix(most))
    guard let last = result.popLast() else { return result }
    return result + [String(last.prefix(columns - 3)) + "..."]
  }

  /// The text in ASCII: letters without their accents, the usual dashes and quotation marks as they are typed. What has
  /// no such form becomes a character that the font shows as a box.
  package static func latin(_ text: String) -> String {
    var result = ""
    for scalar in text.decomposedStringWithCompatibilityMapping.unicodeScalars {
      switch scalar {
      case " "..."~": result.unicodeScalars.append(scalar)
      case _ where scalar.properties.isWhitespace: result += " "
      default:
        switch scalar.properties.generalCategory {
        case .nonspacingMark, .enclosingMark, .format, .control: break
        default: result += spellings[scalar] ?? "\u{7F}"
        }
      }
    }
    return result
  }

  private static let spellings: [Unicode.Scalar: String] = [
    "ß": "ss", "æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d",
    "Đ": "D", "ð": "d", "þ": "th", "ı": "i", "‘": "'", "’": "'", "‚": ",", "“": "\"", "”": "\"", "„": "\"",
    "«": "\"", "»": "\"", "–": "-", "—": "-", "‐": "-", "−": "-", "×": "x", "·": ".", "•": "*", "→": "->",
  ]
}
