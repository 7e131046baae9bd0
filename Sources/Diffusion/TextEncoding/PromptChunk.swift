/// The tokens of a prompt that go through the text encoder together, with a weight each.
package struct PromptChunk: Equatable, Sendable {
  /// Without start, end and padding; at most 75 for every Stable Diffusion.
  package var ids: [Int32] = []
  /// One a token.
  package var weights: [Float] = []

  /// An empty chunk.
  package init() {}

  /// Whether any token counts more or less than the others.
  var isWeighted: Bool { weights.contains { $0 != 1 } }

  mutating func append(_ tokens: some Collection<Int32>, weight: Float) {
    ids += tokens
    weights += repeatElement(weight, count: tokens.count)
  }
}

/// How a prompt becomes chunks for one text encoder.
package struct PromptTokenizer: Sendable {
  private let tokenizer: CLIPTokenizer
  /// The ids of an embedding's vectors, by the id that its token has in a text.
  private let vectors: [Int32: Range<Int32>]

  /// More chunks than any sensible prompt has: 7,500 tokens.
  static let mostChunks = 100

  /// - Parameters:
  ///   - tokenizer: the tokenizer of the text encoder.
  ///   - vectors: see `EmbeddingTable`.
  package init(_ tokenizer: CLIPTokenizer, vectors: [Int32: Range<Int32>] = [:]) {
    self.tokenizer = tokenizer
    self.vectors = vectors
  }

  /// Tokens between start and end.
  private var capacity: Int { tokenizer.maximumLength - 2 }

  /// A plain prompt, as diffusers takes it: one chunk, and the rest is cut off.
  package func plain(_ prompt: String) -> PromptChunk {
    var chunk = PromptChunk()
    chunk.append(pieces(of: prompt).joined().prefix(capacity), weight: 1)
    return chunk
  }

  /// A prompt's weights, breaks and tokens, in as many chunks as it needs, at least one. A chunk is filled to the last
  /// token, but the vectors of an embedding stay together.
  /// - Throws: `DiffusionError.setting` for a weight or a length that makes no sense.
  package func chunks(_ prompt: WeightedPrompt) throws -> [PromptChunk] {
    var chunks: [PromptChunk] = []
    var chunk = PromptChunk()
    for part in prompt.parts {
      switch part {
      case .chunkBreak:
        chunks.append(chunk)
        chunk = PromptChunk()
      case .text(let text, let weight):
        for piece in pieces(of: text) {
          if chunk.ids.count + piece.count > capacity {
            chunks.append(chunk)
            chunk = PromptChunk()
          }
          chunk.append(piece, weight: Float(weight))
        }
      }
      guard chunks.count < Self.mostChunks else {
        throw DiffusionError.setting(
          name: "prompt", value: "of more than \(Self.mostChunks) chunks",
          allowed: "\(Self.mostChunks * capacity) tokens")
      }
    }
    if !chunk.ids.isEmpty || chunks.isEmpty { chunks.append(chunk) }
    return chunks
  }

  /// The ids that the encoder takes for a chunk: start, tokens, end, padding.
  package func framed(_ chunk: PromptChunk) -> [Int32] { tokenizer.framed(chunk.ids) }

  /// The tokens of a text, one a piece; an embedding's vectors are one piece.
  private func pieces(of text: String) -> [[Int32]] {
    tokenizer.tokens(in: text).map { id in vectors[id].map(Array.init) ?? [id] }
  }
}
