/// CLIP's normalization of a text, before words are found: NFC, every stretch of white space to one space, lower case.
/// Each step uses the Unicode version of the Rust library, not this system's, so that ids stay identical. A script
/// compared all code points.
enum PromptNormalizer {
  /// The normalized text.
  static func normalize(_ text: ArraySlice<Unicode.Scalar>) -> [Unicode.Scalar] {
    var result: [Unicode.Scalar] = []
    result.reserveCapacity(text.count)
    var inSpace = false
    for scalar in CanonicalComposition.compose(text) {
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

  /// One scalar at a time, as in Rust. There is no rule for sigma at the end of a word.
  private static func appendLowercase(of scalar: Unicode.Scalar, to result: inout [Unicode.Scalar]) {
    switch scalar.value {
    case 0x41...0x5a: result.append(Unicode.Scalar(UInt8(scalar.value + 32)))
    case 0..<0x80: result.append(scalar)
    default: result += scalar.properties.lowercaseMapping.unicodeScalars
    }
  }
}
