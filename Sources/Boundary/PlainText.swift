/// Other people's text, made safe to store in a message, to log or to print. It becomes one line of limited length.
/// Nothing in it can control a terminal, change the direction of writing or begin another line.
///
/// Messages quote prompts, names of files and tensors, keys, arguments and host names, which anybody may choose.
/// Every message goes through here when it leaves the program. Doing it twice changes nothing.
package enum PlainText {
  /// The default limit in UTF-8 bytes.
  package static let limit = 2000

  /// The text as one line. Unprintable characters are written as in Swift (`\n`, `\u{1B}`). If it is too long, its
  /// middle is cut out; the end stays, because it says how to fix the fault.
  /// - Parameters:
  ///   - text: any text of any length. The part that is cut out is not read.
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

  /// The index of a byte, moved to the nearest boundary of a scalar.
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

  /// Whether a terminal only shows a scalar.
  static func isPrintable(_ scalar: Unicode.Scalar) -> Bool {
    // This one joins the parts of an emoji.
    if scalar.value == 0x200D { return true }
    return switch scalar.properties.generalCategory {
    case .control, .format, .lineSeparator, .paragraphSeparator, .surrogate, .privateUse: false
    default: true
    }
  }
}
