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
    var known = KnownText()
    for scalar in text {
      if scalar.value < 0x300 || isInUnicode9(scalar) {
        known.append(scalar)
      } else {
        known.flush(into: &result)
        result.append(scalar)
      }
    }
    known.flush(into: &result)
    return result
  }

  private static func isInUnicode9(_ scalar: Unicode.Scalar) -> Bool {
    guard let age = scalar.properties.age else { return false }
    return age.major <= 9
  }
}

/// Text that gathers until it is put into NFC. Foundation sorts the marks on one letter by insertion:
/// minutes for a megabyte of them. Long runs are therefore put into canonical order here, which does not
/// change what they are in NFC, but leaves nothing to sort.
private struct KnownText {
  private var scalars: [Unicode.Scalar] = []
  private var runStart = 0

  /// Runs up to this length are left to Foundation.
  private static let longRun = 32

  mutating func append(_ scalar: Unicode.Scalar) {
    switch scalar.value {
    case 0..<0x300: appendStarter(scalar)
    // The only three that begin no run by themselves, but whose parts do; NFC never joins those parts.
    case 0x0f73: scalars += ["\u{0f71}", "\u{0f72}"]
    case 0x0f75: scalars += ["\u{0f71}", "\u{0f74}"]
    case 0x0f81: scalars += ["\u{0f71}", "\u{0f80}"]
    case _ where scalar.properties.canonicalCombiningClass != .notReordered: scalars.append(scalar)
    default: appendStarter(scalar)
    }
  }

  private mutating func appendStarter(_ scalar: Unicode.Scalar) {
    endRun()
    scalars.append(scalar)
    runStart = scalars.count
  }

  mutating func flush(into result: inout [Unicode.Scalar]) {
    endRun()
    let text = String(String.UnicodeScalarView(scalars))
    result += text.precomposedStringWithCanonicalMapping.unicodeScalars
    scalars.removeAll(keepingCapacity: true)
    runStart = 0
  }

  private mutating func endRun() {
    guard scalars.count - runStart > Self.longRun else { return }
    // By class, then by place: canonical order keeps marks of one class as they come.
    let order = scalars[runStart...].enumerated().map { place, scalar in
      (scalar.properties.canonicalCombiningClass.rawValue, place, scalar)
    }.sorted { ($0.0, $0.1) < ($1.0, $1.1) }
    scalars.replaceSubrange(runStart..., with: order.map(\.2))
  }
}
