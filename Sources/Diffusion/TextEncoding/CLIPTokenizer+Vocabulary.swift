import CVocabulary
import Checkpoints

extension CLIPTokenizer {
  /// Loads a model's tokenizer, wherever it comes from.
  /// - Throws: `missingFile`, `malformed`, `badConfig`.
  package init(_ source: TokenizerSource) throws {
    switch source {
    case .folder(let folder): try self.init(folder: folder)
    case .clip(let pad): try self.init(clipPad: pad)
    }
  }

  /// The tokenizer of CLIP itself, the same as in the tokenizer folders of models on the hub. Its vocabulary is part of
  /// the program. `pad` is the padding token. If it is `!`, then `!` is recognised as a token of its own, as in
  /// transformers.
  /// - Throws: `malformed`, if the program was built with a damaged vocabulary.
  package init(clipPad pad: String) throws {
    let merges = try MergesText.parse(Self.mergesText, path: "the built-in vocabulary")
    let ids = Self.vocabulary(merges)
    guard let start = ids[Self.start], let end = ids[Self.end], let padID = ids[pad] else {
      throw CheckpointError.malformed(path: "the built-in vocabulary", reason: "has no token '\(pad)'")
    }
    let vocabulary = try CLIPVocabulary(
      ids: ids, merges: merges, unknownToken: Self.end, path: "the built-in vocabulary")
    var added = [AddedToken(content: Self.start, id: start), AddedToken(content: Self.end, id: end)]
    added[0].isNormalized = true
    // As the hub's files come out: the padding token counts as written, whatever else it is.
    added[1].isNormalized = pad != Self.end
    if pad != Self.end { added.append(AddedToken(content: pad, id: padID)) }
    self.init(
      vocabulary: vocabulary, addedTokens: added,
      frame: Frame(startToken: start, endToken: end, padToken: padID))
  }

  /// How many tokens that vocabulary has. A text encoder that fits it has at least as many.
  package static let clipTokenCount = 49408

  /// The merges in the form of `merges.txt`.
  package static var mergesText: [UInt8] {
    var count = 0
    guard let bytes = segmoe_clip_merges(&count) else { return [] }
    return Array(UnsafeBufferPointer(start: bytes, count: count))
  }

  /// Tokens in the order of their ids, in the form of `vocab.json`.
  package static func clipVocabulary() throws -> [String: Int32] {
    vocabulary(try MergesText.parse(mergesText, path: "the built-in vocabulary"))
  }

  private static let start = "<|startoftext|>"
  private static let end = "<|endoftext|>"

  /// CLIP numbers the printable bytes first, then the bytes with a stand-in. Then come all of them again, as ends of
  /// words, then the results of the merges in order, and last the start and end tokens.
  private static func vocabulary(_ merges: [(left: String, right: String)]) -> [String: Int32] {
    let symbols = CLIPVocabulary.byteSymbols()
    let bytes = (symbols.filter { $0.value < 0x100 } + symbols.filter { $0.value >= 0x100 }).map {
      String($0)
    }
    let tokens = bytes + bytes.map { $0 + "</w>" } + merges.map { $0.left + $0.right } + [start, end]
    var ids = [String: Int32](minimumCapacity: tokens.count)
    for (id, token) in tokens.enumerated() { ids[token] = Int32(id) }
    return ids
  }
}
