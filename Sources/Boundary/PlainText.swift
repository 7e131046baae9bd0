/// Text of other people in a form that may be stored in a message, logged or printed: one line of bounded length, in
/// which nothing steers a terminal, turns the direction of writing or begins a line of its own.
///
/// Prompts, names of files and tensors, keys, arguments and the names of hosts are quoted in messages, and anybody may
/// choose them. Every message goes through here where it leaves the program. Doing it twice changes nothing.
package enum PlainText {
  /// UTF-8 bytes of a message, unless a place has a limit of its own.
  package static let limit = 2000

  /// The text as one line: unprintable characters as Swift writes them (`\n`, `\u{1B}`), the middle cut out if it is
  /// too long. The end stays, because there a message says what mends the fault.
  /// - Parameters:
  ///   - text: anything, of any length; what is cut out is not read.
  ///   - limit: UTF-8 bytes of the result, at least 100.
  package static func line(_ text: String, limit: Int = Self.limit) -> String {
    let limit = max(100, limit)
    let size = text.utf8.count
    let head = escaped(size <= limit ? text[...] : text[..<boundary(text, limit)])
    if size <= limit && head.utf8.count <= limit { return head }
    let tail = size <= limit ? head : escaped(text[boundary(text, size - limit / 3)...])
    let mark = "…(\(size) bytes in all)…"
    let tailSize = min(limit / 3, tail.utf8.count)
    let headEnd = boundary(head, limit - mark.utf8.count - tailSize)
    let tailStart = boundary(tail, tail.utf8.count - tailSize, forward: true)
    return head[..<headEnd] + mark + tail[tailStart...]
  }

  /// The place of a byte, or the nearest one between two characters' scalars.
  private static func boundary(_ text: String, _ offset: Int, forward: Bool = false) -> String.Index {
    let bytes = text.utf8
    var index = bytes.index(bytes.startIndex, offsetBy: min(max(0, offset), bytes.count))
    while index < bytes.endIndex, bytes[index] & 0xC0 == 0x80 {
      index = forward ? bytes.index(after: index) : bytes.index(before: index)
    }
    return index
  }

  private static func escaped(_ text: Substring) -> String {
    if text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return String(text) }
    var result = ""
    for scalar in text.unicodeScalars {
      if isPrintable(scalar) {
        result.unicodeScalars.append(scalar)
      } else {
        result += scalar.escaped(asASCII: true)
      }
    }
    return result
  }

  /// Whether a terminal shows a scalar and does nothing else with it.
  package static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    // Emoji of several parts are joined with this one.
    if scalar.value == 0x200D { return true }
    return switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse: false
    default: true
    }
  }
}
