import Tensors

/// How a request's prompts are read.
package struct PromptReading: Sendable, Equatable {
  /// Whether prompts are plain text, as diffusers takes them: no weights, no breaks, cut at 75 tokens.
  package var isPlain: Bool
  /// How many of the text encoder's last layers are left out for the prompt, beyond those that the model leaves
  /// out itself: diffusers' `clip_skip` (AUTOMATIC1111's "Clip skip" is one more). Like diffusers, the negative
  /// prompt always gets all layers.
  package var clipSkip: Int
  /// Words that the prompts may use.
  package var embeddings: [TextualInversion]

  /// By default weights and breaks are read and nothing is left out.
  package init(isPlain: Bool = false, clipSkip: Int = 0, embeddings: [TextualInversion] = []) {
    self.isPlain = isPlain
    self.clipSkip = clipSkip
    self.embeddings = embeddings
  }
}

/// The prompts of a request, cut into chunks for one text encoder. Every prompt gets as many chunks as the longest one
/// needs.
struct ChunkedPrompts: Sendable {
  /// The rows of learned words behind the encoder's own vocabulary.
  let words: EmbeddingTable
  private let tokenizer: PromptTokenizer
  private var prompts: [[PromptChunk]]

  /// - Parameters:
  ///   - encoder: 0 for the first text encoder of `encoders`, 1 for the second.
  /// - Throws: `DiffusionError` for weights or a length that make no sense, for embeddings that are not for this
  ///   encoder, and for embeddings whose token is already known.
  init(
    _ texts: [String], _ reading: PromptReading, _ tokenizer: CLIPTokenizer, _ network: CLIPTextConfiguration,
    encoder: Int, of encoders: Int
  ) throws {
    for word in reading.embeddings where tokenizer.knows(word.token) {
      throw DiffusionError.setting(
        name: "embedding token", value: "\"\(word.token)\"",
        allowed: "one that the model's vocabulary does not have; name another as FILE:TOKEN")
    }
    words = try EmbeddingTable(
      reading.embeddings, encoder: encoder, of: encoders, width: network.width,
      first: reading.embeddings.isEmpty ? 0 : max(network.vocabulary, tokenizer.idCount))
    let reader = PromptTokenizer(
      words.tokens.isEmpty ? tokenizer : tokenizer.adding(words.tokens), vectors: words.vectors)
    prompts = try texts.map { text in
      try reading.isPlain ? [reader.plain(text)] : reader.chunks(WeightedPrompt(text))
    }
    self.tokenizer = reader
    pad(to: longest)
  }

  /// Chunks of the longest prompt.
  var longest: Int { prompts.map(\.count).max() ?? 0 }

  /// Fills every prompt up with empty chunks.
  mutating func pad(to count: Int) {
    for place in prompts.indices {
      prompts[place] += repeatElement(PromptChunk(), count: max(0, count - prompts[place].count))
    }
  }

  /// The weighted states of all prompts, `[prompt, chunks · 77, width]`. If the encoder has a pooled state, also that
  /// of each prompt's first chunk, without weights, `[prompt, width]`.
  /// - Parameters:
  ///   - skip: layers left out for the last prompt; for those before it, none.
  ///   - encode: the encoder: ids, layers to leave out and learned words to `[row, token, width]` and `[row, width]`.
  func encoded(
    skip: Int, _ encode: ([[Int32]], Int, EmbeddingRows?) throws -> (states: Tensor, pooled: Tensor?)
  ) throws -> (states: Tensor, pooled: Tensor?) {
    // Encoded together if all have the same settings.
    let groups = skip == 0 ? [0..<prompts.count] : prompts.indices.map { $0..<$0 + 1 }
    let results = try groups.map { group in
      let result = try encode(ids(group), group.upperBound == prompts.count ? skip : 0, words.rows)
      let rows = prompts.first?.count ?? 1
      return (
        states: try weighted(result.states, group),
        pooled: result.pooled.map { pooled in Tensor.batch((0..<group.count).map { pooled.image($0 * rows) })
        }
      )
    }
    let pooled = results.compactMap(\.pooled)
    return (Tensor.batch(results.map(\.states)), pooled.isEmpty ? nil : Tensor.batch(pooled))
  }

  /// The ids for the encoder, a row a chunk, of the prompts in `range`.
  func ids(_ range: Range<Int>) -> [[Int32]] { prompts[range].joined().map(tokenizer.framed) }

  /// The encoder's states of those rows, weighted, `[prompt, chunks · 77, width]`.
  /// - Parameter states: `[row, token, width]`.
  /// - Throws: `DiffusionError.notFinite`
  func weighted(_ states: Tensor, _ range: Range<Int>) throws -> Tensor {
    let (length, width) = (states.shape[1], states.shape[2])
    let rows = Array(prompts[range].joined())
    var result = states
    if !states.isMeta, rows.contains(where: \.isWeighted) {
      var values = states.values
      for (row, chunk) in rows.enumerated() where chunk.isWeighted {
        let span = (row * length * width)..<((row + 1) * length * width)
        // Start, end and padding have weight 1.
        let weights = [1] + chunk.weights + repeatElement(1, count: length - chunk.weights.count - 1)
        try PromptWeighting.apply(weights, to: &values[span], width: width)
      }
      result = Tensor(shape: states.shape, values: values)
    }
    return result.reshaped([range.count, rows.count / range.count * length, width])
  }
}
