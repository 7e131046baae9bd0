import Foundation

/// What CLIP's tokenizer does to a text before it looks for words: NFC, every stretch of white space to
/// one space, lower case. The Unicode version of each step is the Rust library's, not this system's, so
/// that ids stay identical; a script compared all code points.
enum PromptNormalizer {
  /// The normalized text.
  static func normalize(_ text: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    var inSpace = false
    for scalar in composed(text) {
      if isWhitespace(scalar) {
        if !inSpace { result.append(" ") }
        inSpace = true
        continue
      }
      inSpace = false
      appendLowercase(of: scalar, to: &result)
    }
    return result
  }

  private static func isWhitespace(_ scalar: Unicode.Scalar) -> Bool {
    scalar.value < 0x80
      ? scalar == " " || (0x09...0x0d).contains(scalar.value) : scalar.properties.isWhitespace
  }

  /// One scalar at a time, as Rust does: no rule for sigma at the end of a word.
  private static func appendLowercase(of scalar: Unicode.Scalar, to result: inout [Unicode.Scalar]) {
    switch scalar.value {
    case 0x41...0x5a: result.append(Unicode.Scalar(UInt8(scalar.value + 32)))
    case 0..<0x80: result.append(scalar)
    default: result += scalar.properties.lowercaseMapping.unicodeScalars
    }
  }

  /// The text in NFC, by the tables of Unicode 9: the library knows no later ones, and leaves newer
  /// scalars where they stand, as if they were letters that combine with nothing.
  private static func composed(_ text: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
    // Below U+0300 nothing combines and all is composed.
    guard text.contains(where: { $0.value >= 0x300 }) else { return Array(text) }
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    var known = String.UnicodeScalarView()
    for scalar in text {
      if scalar.value < 0x300 || isInUnicode9(scalar) {
        known.append(scalar)
      } else {
        result += String(known).precomposedStringWithCanonicalMapping.unicodeScalars
        known.removeAll(keepingCapacity: true)
        result.append(scalar)
      }
    }
    result += String(known).precomposedStringWithCanonicalMapping.unicodeScalars
    return result
  }

  private static func isInUnicode9(_ scalar: Unicode.Scalar) -> Bool {
    guard let age = scalar.properties.age else { return false }
    return age.major <= 9
  }
}
