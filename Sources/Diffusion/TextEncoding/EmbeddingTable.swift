import Tensors

/// The learned words of a request, numbered after the vocabulary of one text encoder.
struct EmbeddingTable: Sendable {
  /// The tokens to recognise in a text.
  let tokens: [AddedToken]
  /// The ids of each token's vectors, by the token's id. The first vector has the token's own.
  let vectors: [Int32: Range<Int32>]
  /// The vectors; nil without any.
  let rows: EmbeddingRows?

  /// - Parameters:
  ///   - encoder: 0 for the first text encoder, 1 for the second.
  ///   - encoders: how many text encoders the model has.
  ///   - width: of the encoder's token embeddings.
  ///   - first: the first id that neither tokenizer nor encoder uses.
  /// - Throws: `DiffusionError.mismatch` for a file that is for other text encoders,
  ///   `.setting` for a token given twice.
  init(_ words: [TextualInversion], encoder: Int, of encoders: Int, width: Int, first: Int) throws {
    var tokens: [AddedToken] = []
    var vectors: [Int32: Range<Int32>] = [:]
    var values: [Float] = []
    var next = Int32(first)
    for word in words {
      guard word.tables.count == encoders, word.tables[encoder].shape[1] == width else {
        let widths = word.tables.map { "\($0.shape[1])" }.joined(separator: " and ")
        throw DiffusionError.mismatch(
          folder: word.path,
          what:
            "the embedding is for text encoders of width \(widths); this model has \(encoders), number \(encoder + 1) of width \(width)"
        )
      }
      guard !tokens.contains(where: { $0.content.lowercased() == word.token.lowercased() }) else {
        throw DiffusionError.setting(
          name: "embedding token", value: "\"\(word.token)\" given twice",
          allowed: "each token once; use FILE:TOKEN")
      }
      let end = next + Int32(word.vectorCount)
      var token = AddedToken(content: word.token, id: next)
      token.isNormalized = true
      tokens.append(token)
      vectors[next] = next..<end
      values += word.tables[encoder].values
      next = end
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

/// Token embeddings beyond an encoder's own vocabulary.
package struct EmbeddingRows: Sendable {
  /// The id of the first row.
  let first: Int
  /// `[row, width]`.
  let table: Tensor

  /// The ids it has rows for.
  var range: Range<Int> { first..<(first + table.shape[0]) }

  /// Where the embedding of a token is; nil if it is none of these.
  func row(of id: Int) -> (table: Tensor, row: Int)? { range.contains(id) ? (table, id - first) : nil }
}
