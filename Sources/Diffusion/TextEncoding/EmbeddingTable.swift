import Tensors

/// The learned words of a request, numbered after the vocabulary of one text encoder.
package struct EmbeddingTable: Sendable {
  /// The tokens to recognise in a text.
  package let tokens: [AddedToken]
  /// The ids of each token's vectors, by the token's id. The first vector has the token's own.
  package let vectors: [Int32: Range<Int32>]
  /// The vectors; nil without any.
  package let rows: EmbeddingRows?

  /// - Parameters:
  ///   - words: in the order of the request.
  ///   - encoder: 0 for the first text encoder, 1 for the second.
  ///   - encoders: how many text encoders the model has.
  ///   - width: the width of the encoder's token embeddings.
  ///   - first: the first id that neither tokenizer nor encoder uses.
  /// - Throws: `DiffusionError.mismatch` for a file that is for other text encoders,
  ///   `.setting` for a token given twice.
  package init(_ words: [TextualInversion], encoder: Int, of encoders: Int, width: Int, first: Int) throws {
    var tokens: [AddedToken] = []
    var vectors: [Int32: Range<Int32>] = [:]
    var values: [Float] = []
    var next = Int32(first)
    for entry in try Self.entries(words, encoder: encoder, of: encoders, width: width) {
      let all =
        [(entry.token, entry.table.values)]
        + entry.rowTokens.enumerated().map { row, token in
          (token, Array(entry.table.values[row * width..<(row + 1) * width]))
        }
      for (content, numbers) in all {
        guard !tokens.contains(where: { $0.content.lowercased() == content.lowercased() }) else {
          throw DiffusionError.setting(
            name: "embedding token", value: "\"\(content)\" given twice",
            allowed: "each token once; use FILE:TOKEN")
        }
        let end = next + Int32(numbers.count / width)
        var token = AddedToken(content: content, id: next)
        token.isNormalized = true
        tokens.append(token)
        vectors[next] = next..<end
        values += numbers
        next = end
      }
    }
    self.tokens = tokens
    self.vectors = vectors
    rows =
      values.isEmpty
      ? nil
      : EmbeddingRows(
        first: first, table: Tensor(shape: [values.count / width, width], values: values))
  }
}

extension EmbeddingTable {
  /// A token's vectors for one encoder.
  private typealias Entry = (token: String, table: Tensor, rowTokens: [String])

  /// The words' vectors for one encoder. A word of SDXL may come in two files of one token, one for each encoder, as
  /// diffusers' script saves it: widths tell which is for which, and if they are alike, the order.
  private static func entries(
    _ words: [TextualInversion], encoder: Int, of encoders: Int, width: Int
  ) throws -> [Entry] {
    var entries: [Entry] = []
    var paired: Set<Int> = []
    for (place, word) in words.enumerated() where !paired.contains(place) {
      if word.tables.count == encoders, word.tables[encoder].shape[1] == width {
        entries.append((word.token, word.tables[encoder], word.rowTokens))
        continue
      }
      let other = words.indices.first { other in
        other > place && !paired.contains(other) && words[other].tables.count == 1
          && words[other].token.lowercased() == word.token.lowercased()
      }
      guard encoders == 2, word.tables.count == 1, let other, words[other].vectorCount == word.vectorCount,
        case let halves = [word.tables[0], words[other].tables[0]],
        let half = halves[encoder].shape[1] == width
          ? halves[encoder] : halves.first(where: { $0.shape[1] == width })
      else { throw misfit(word, encoder: encoder, of: encoders, width: width) }
      paired.insert(other)
      entries.append((word.token, half, word.rowTokens))
    }
    return entries
  }

  private static func misfit(
    _ word: TextualInversion, encoder: Int, of encoders: Int, width: Int
  ) -> DiffusionError {
    let widths = word.tables.map { "\($0.shape[1])" }.joined(separator: " and ")
    let mend =
      encoders == 2 && word.tables.count == 1
      ? "; give the file for the other encoder too, under the same token and with as many vectors" : ""
    return .mismatch(
      folder: word.path,
      what: "the embedding is for text encoders of width \(widths); this model has \(encoders), "
        + "number \(encoder + 1) of width \(width)\(mend)")
  }
}

/// Token embeddings beyond an encoder's own vocabulary.
package struct EmbeddingRows: Sendable {
  /// The id of the first row.
  let first: Int
  /// `[row, width]`.
  package let table: Tensor

  /// The ids it has rows for.
  var range: Range<Int> { first..<(first + table.shape[0]) }

  /// Where the embedding of a token is; nil if it is none of these.
  func row(of id: Int) -> (table: Tensor, row: Int)? { range.contains(id) ? (table, id - first) : nil }
}
