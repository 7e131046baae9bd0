import Checkpoints

/// CLIP's vocabulary: a token for every byte, inside a word and at its end (`</w>`), and the merges that
/// make longer tokens of them.
package struct CLIPVocabulary: Sendable {
  /// Every token's id, by its text in byte symbols.
  package let ids: [String: Int32]
  private let inside: [Int32]
  private let atEnd: [Int32]
  private let merges: BytePairMerges

  /// A vocabulary from its tokens and its merges in order of rank. `unknownToken` stands for bytes that
  /// have no token (only cut vocabularies lack some). `path` is named in errors.
  /// - Throws: `malformed` if a merge makes a token that has no id, or a byte and the unknown token have
  ///   none.
  package init(
    ids: [String: Int32], merges pairs: [(left: String, right: String)], unknownToken: String, path: String
  ) throws {
    self.ids = ids
    let unknown = ids[unknownToken]
    func id(of symbol: String) throws -> Int32 {
      guard let id = ids[symbol] ?? unknown else {
        throw CheckpointError.malformed(
          path: path, reason: "there is neither a token '\(symbol)' nor the unknown token '\(unknownToken)'")
      }
      return id
    }
    let symbols = Self.byteSymbols()
    inside = try symbols.map { try id(of: String($0)) }
    atEnd = try symbols.map { try id(of: String($0) + "</w>") }
    merges = try BytePairMerges(pairs: pairs, ids: ids, path: path)
  }

  /// Adds the tokens of one word.
  func appendTokens(of word: ArraySlice<Unicode.Scalar>, to tokens: inout [Int32]) {
    var symbols: [Int32] = []
    symbols.reserveCapacity(word.count * 2)
    var last: UInt8 = 0
    for scalar in word {
      for byte in scalar.utf8 {
        symbols.append(inside[Int(byte)])
        last = byte
      }
    }
    guard !symbols.isEmpty else { return }
    symbols[symbols.count - 1] = atEnd[Int(last)]
    merges.appendMerged(symbols, to: &tokens)
  }

  /// GPT-2's printable stand-in for each byte: itself if it is printable Latin-1, else U+0100 and on.
  package static func byteSymbols() -> [Unicode.Scalar] {
    var next: UInt16 = 0x100
    return (0...255).map { (byte: UInt8) in
      switch byte {
      case 33...126, 161...172, 174...255: return Unicode.Scalar(byte)
      default:
        defer { next += 1 }
        return Unicode.Scalar(next) ?? "?"
      }
    }
  }
}
