import Checkpoints

/// CLIP's tokenizer: text to token ids, identical to `CLIPTokenizer` of transformers 5 with the Rust
/// `tokenizers` library below it (checked against 0.23.3).
///
/// A text is tokenized in these steps:
/// 1. Special tokens that match the text as written are cut out.
/// 2. The text between them is normalized (NFC, white space to one space, lower case).
/// 3. Special tokens that match the normalized text are cut out.
/// 4. The rest is split into words.
/// 5. Each word's bytes are merged into tokens.
///
/// For any text of n bytes, time grows with n·log n and memory with n.
package struct CLIPTokenizer: Sendable {
  /// The length that `encode` pads and cuts to: 77 for every Stable Diffusion.
  package let maximumLength: Int
  /// Begins every encoded text: `<|startoftext|>`.
  let startToken: Int32
  /// Ends every encoded text: `<|endoftext|>`. Its first place is where pooled states are read.
  let endToken: Int32
  /// The padding token: `<|endoftext|>` in SD1.5, `!` in SD2 and in SDXL's second tokenizer.
  package let padToken: Int32
  private let vocabulary: CLIPVocabulary
  private let addedTokens: [AddedToken]
  private let rawTokens: AddedTokenMatcher
  private let normalizedTokens: AddedTokenMatcher

  /// The ids around and after a text, and how many there may be in all.
  package struct Frame: Sendable {
    var startToken: Int32
    var endToken: Int32
    package var padToken: Int32
    package var maximumLength: Int

    /// `maximumLength` counts start and end and must be at least 2.
    package init(startToken: Int32, endToken: Int32, padToken: Int32, maximumLength: Int = 77) {
      self.startToken = startToken
      self.endToken = endToken
      self.padToken = padToken
      self.maximumLength = maximumLength
    }
  }

  /// A tokenizer of parts already read and checked. `addedTokens` are recognised in the text itself.
  package init(vocabulary: CLIPVocabulary, addedTokens: [AddedToken], frame: Frame) {
    precondition(frame.maximumLength >= 2)
    self.vocabulary = vocabulary
    self.addedTokens = addedTokens
    maximumLength = frame.maximumLength
    startToken = frame.startToken
    endToken = frame.endToken
    padToken = frame.padToken
    rawTokens = AddedTokenMatcher(
      addedTokens.filter { !$0.isNormalized }.map { ($0, Array($0.content.unicodeScalars)) })
    normalizedTokens = AddedTokenMatcher(
      addedTokens.filter(\.isNormalized).map {
        ($0, PromptNormalizer.normalize(Array($0.content.unicodeScalars)[...]))
      })
  }

  /// The ids of a text as the text encoder takes them: start, at most `maximumLength - 2` tokens, end,
  /// then padding; always `maximumLength` of them.
  package func encode(_ text: String) -> [Int32] {
    framed(tokens(in: text))
  }

  /// Tokens between start and end, cut and padded to `maximumLength`.
  package func framed(_ tokens: [Int32]) -> [Int32] {
    var ids = [startToken]
    ids.reserveCapacity(maximumLength)
    ids += tokens.prefix(maximumLength - 2)
    ids.append(endToken)
    ids += repeatElement(padToken, count: maximumLength - ids.count)
    return ids
  }

  /// Whether a token of just that text is known already.
  func knows(_ content: String) -> Bool {
    vocabulary.ids[content] != nil || addedTokens.contains { $0.content == content }
  }

  /// One more than the largest id in use.
  var idCount: Int {
    Int(max(vocabulary.ids.values.max() ?? -1, addedTokens.map(\.id).max() ?? -1)) + 1
  }

  /// The same tokenizer, which recognises more tokens in a text.
  package func adding(_ tokens: [AddedToken]) -> CLIPTokenizer {
    CLIPTokenizer(
      vocabulary: vocabulary, addedTokens: addedTokens + tokens,
      frame: Frame(
        startToken: startToken, endToken: endToken, padToken: padToken, maximumLength: maximumLength))
  }

  /// The tokens of a text, all of them, without start, end and padding.
  package func tokens(in text: String) -> [Int32] {
    var ids: [Int32] = []
    rawTokens.split(Array(text.unicodeScalars)[...]) { piece in
      switch piece {
      case .token(let id): ids.append(id)
      case .text(let raw):
        normalizedTokens.split(PromptNormalizer.normalize(raw)[...]) { piece in
          switch piece {
          case .token(let id): ids.append(id)
          case .text(let text):
            PromptWords.forEach(in: text) { word in vocabulary.appendTokens(of: word, to: &ids) }
          }
        }
      }
    }
    return ids
  }
}
