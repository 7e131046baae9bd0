/// A token that is recognised in the text itself, as a whole: `<|endoftext|>`, or a learned embedding's.
package struct AddedToken: Equatable, Sendable {
  /// The text it stands for.
  package var content: String
  /// Its id.
  package var id: Int32
  /// Whether it is matched against the normalized text (so in any case), or against the text as written.
  var isNormalized = false
  /// Whether it also consumes the white space to its left, or right.
  var stripsLeft = false
  var stripsRight = false
  /// Whether it matches only where no letter, digit or underscore touches it.
  var isSingleWord = false

  /// A token without options.
  package init(content: String, id: Int32) {
    self.content = content
    self.id = id
  }
}

/// Finds added tokens in a text: leftmost first, the longest of those that begin at one place.
struct AddedTokenMatcher: Sendable {
  /// A part of a text: a token found, or what lies between two.
  enum Piece {
    case token(Int32)
    case text(ArraySlice<Unicode.Scalar>)
  }

  private struct Pattern: Sendable {
    let scalars: [Unicode.Scalar]
    let token: AddedToken
  }

  /// By first scalar, longest pattern first.
  private let patterns: [Unicode.Scalar: [Pattern]]

  /// The tokens with the text each matches. Empty texts match nothing; of equal texts the last counts.
  init(_ tokens: [(token: AddedToken, scalars: [Unicode.Scalar])]) {
    var patterns: [Unicode.Scalar: [Pattern]] = [:]
    for (token, scalars) in tokens {
      guard let first = scalars.first else { continue }
      patterns[first, default: []].removeAll { $0.scalars == scalars }
      patterns[first, default: []].append(Pattern(scalars: scalars, token: token))
    }
    self.patterns = patterns.mapValues { $0.sorted { $0.scalars.count > $1.scalars.count } }
  }

  /// Hands on the pieces of `text` in order. Empty stretches are left out.
  func split(_ text: ArraySlice<Unicode.Scalar>, _ body: (Piece) -> Void) {
    var rest = text.startIndex
    var place = text.startIndex
    while place < text.endIndex {
      guard let pattern = pattern(in: text, at: place) else {
        place += 1
        continue
      }
      var start = place
      var end = place + pattern.scalars.count
      // The library's search continues after a match, even if the match is then discarded.
      place = end
      if pattern.token.isSingleWord, !stands(alone: start..<end, in: text) { continue }
      if pattern.token.stripsLeft {
        while start > rest, text[start - 1].properties.isWhitespace { start -= 1 }
      }
      if pattern.token.stripsRight {
        while end < text.endIndex, text[end].properties.isWhitespace { end += 1 }
      }
      // A token before this one may have taken the white space that its own text begins with.
      if rest < start { body(.text(text[rest..<start])) }
      body(.token(pattern.token.id))
      rest = end
    }
    if rest < text.endIndex { body(.text(text[rest...])) }
  }

  private func pattern(in text: ArraySlice<Unicode.Scalar>, at place: Int) -> Pattern? {
    patterns[text[place]]?.first { text[place...].starts(with: $0.scalars) }
  }

  private func stands(alone range: Range<Int>, in text: ArraySlice<Unicode.Scalar>) -> Bool {
    if range.lowerBound > text.startIndex, Self.isWordScalar(text[range.lowerBound - 1]) { return false }
    return range.upperBound == text.endIndex || !Self.isWordScalar(text[range.upperBound])
  }

  /// `\w` of Rust's regex library, which knows Unicode 16.
  private static func isWordScalar(_ scalar: Unicode.Scalar) -> Bool {
    let properties = scalar.properties
    guard let age = properties.age, age.major <= 16 else { return false }
    if properties.isAlphabetic || properties.isJoinControl { return true }
    switch properties.generalCategory {
    case .nonspacingMark, .spacingMark, .enclosingMark, .decimalNumber, .connectorPunctuation: return true
    default: return false
    }
  }
}
