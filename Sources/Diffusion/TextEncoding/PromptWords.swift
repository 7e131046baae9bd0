/// Splits a normalized text into the words that are tokenized one by one. The rule of CLIP:
///
///     <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+
///
/// Each match is then split by GPT-2's rule. This only takes the two special texts apart. (They get here if upper case
/// hid them from the first search.)
enum PromptWords {
  /// Hands on each word in order.
  static func forEach(in text: ArraySlice<Unicode.Scalar>, _ body: (ArraySlice<Unicode.Scalar>) -> Void) {
    var start = text.startIndex
    while start < text.endIndex {
      let kind = Kind(text[start])
      if kind == .space {
        start += 1
        continue
      }
      let rest = text[start...]
      if text[start] == "<", let special = specials.first(where: { rest.starts(with: $0) }) {
        let end = start + special.count
        body(text[start..<(start + 2)])
        body(text[(start + 2)..<(end - 2)])
        body(text[(end - 2)..<end])
        start = end
        continue
      }
      var end = start + 1
      if text[start] == "'", let contraction = contractions.first(where: { rest.starts(with: $0) }) {
        end = start + contraction.count
      } else if kind != .number {
        while end < text.endIndex, Kind(text[end]) == kind { end += 1 }
      }
      body(text[start..<end])
      start = end
    }
  }

  private static let specials = ["<|startoftext|>", "<|endoftext|>"].map { Array($0.unicodeScalars) }
  private static let contractions = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].map {
    Array($0.unicodeScalars)
  }

  /// The classes of scalars that the rule tells apart.
  private enum Kind {
    case letter, number, space, other

    init(_ scalar: Unicode.Scalar) {
      switch scalar.value {
      case 0x61...0x7a, 0x41...0x5a: self = .letter
      case 0x30...0x39: self = .number
      case 0x20, 0x09...0x0d: self = .space
      case 0..<0x80: self = .other
      default: self.init(properties: scalar.properties)
      }
    }

    private init(properties: Unicode.Scalar.Properties) {
      switch properties.generalCategory {
      case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
        self = Self.isKnown(properties) ? .letter : .other
      case .decimalNumber, .letterNumber, .otherNumber:
        self = Self.isKnown(properties) ? .number : .other
      default:
        self = properties.isWhitespace ? .space : .other
      }
    }

    /// The reference's regular expressions know Unicode 16. Later scalars are "other" to them.
    private static func isKnown(_ properties: Unicode.Scalar.Properties) -> Bool {
      guard let age = properties.age else { return false }
      return age.major <= 16
    }
  }
}
