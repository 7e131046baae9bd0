/// Reads the `parameters` text by the rules of AUTOMATIC1111's own reader.
package struct A1111Reader: Sendable, Equatable {
  /// The prompt with trimmed lines.
  package private(set) var prompt = ""
  /// The negative prompt with trimmed lines.
  package private(set) var negativePrompt = ""
  /// The pairs of the last line. If a key comes twice, the second value counts.
  package private(set) var settings: [String: String] = [:]

  /// Reads any text. A text without settings is a prompt as a whole.
  package init(_ text: String) {
    var lines = Self.trim(text[...]).split(separator: "\n", omittingEmptySubsequences: false)
    if let last = lines.last {
      let pairs = Self.pairs(last)
      // A last line with fewer than three pairs belongs to the prompt.
      if pairs.count >= 3 {
        lines.removeLast()
        for (key, value) in pairs where !value.isEmpty { settings[key] = Self.unquoted(value) }
      }
    }
    let mark = "Negative prompt:"
    var isNegative = false
    for line in lines {
      var line = Self.trim(line)
      if line.hasPrefix(mark) {
        isNegative = true
        line = Self.trim(line.dropFirst(mark.count))
      }
      if isNegative {
        negativePrompt += (negativePrompt.isEmpty ? "" : "\n") + line
      } else {
        prompt += (prompt.isEmpty ? "" : "\n") + line
      }
    }
  }

  /// Whether a reader takes `key` for a setting's name, as a whole.
  static func isKey(_ key: String) -> Bool {
    // Scalars, as in Python's `re`, here and below: "é" may be two.
    let name = #/\w[\w \-\/]+/#.matchingSemantics(.unicodeScalar)
    return key.wholeMatch(of: name) != nil && trim(key[...]) == key
  }

  /// All matches of AUTOMATIC1111's expression for "key: value". Values are still quoted.
  private static func pairs(_ line: Substring) -> [(key: String, value: String)] {
    let pair = #/\s*(\w[\w \-\/]+):\s*("(?:\\.|[^\\"])+"|[^,]*)(?:,|$)/#.matchingSemantics(.unicodeScalar)
    return line.matches(of: pair).map { (String($0.output.1), String($0.output.2)) }
  }

  private static func trim(_ text: Substring) -> String {
    let scalars = text.unicodeScalars
    guard let first = scalars.firstIndex(where: { !$0.properties.isWhitespace }),
      let last = scalars.lastIndex(where: { !$0.properties.isWhitespace })
    else { return "" }
    return String(scalars[first...last])
  }

  /// The text of a JSON string. Any other value stays as it is.
  private static func unquoted(_ value: String) -> String {
    guard value.count > 1, value.hasPrefix("\""), value.hasSuffix("\"") else { return value }
    var text = String.UnicodeScalarView()
    var rest = value.unicodeScalars.dropFirst().dropLast()
    let plain: [Unicode.Scalar: Unicode.Scalar] = [
      "n": "\n", "r": "\r", "t": "\t", "b": "\u{8}", "f": "\u{C}", "\"": "\"", "\\": "\\", "/": "/",
    ]
    while let scalar = rest.popFirst() {
      guard scalar == "\\" else {
        text.append(scalar)
        continue
      }
      guard let escaped = rest.popFirst() else { return value }
      if let meant = plain[escaped] {
        text.append(meant)
      } else if escaped == "u", rest.count >= 4, let code = UInt32(String(rest.prefix(4)), radix: 16),
        let meant = Unicode.Scalar(code)
      {
        text.append(meant)
        rest = rest.dropFirst(4)
      } else {
        return value
      }
    }
    return String(text)
  }
}
