import Checkpoints
import Tensors
import WeightCache

/// The encoded prompts, which condition the UNet.
package struct Conditioning: Sendable {
  /// `[prompt, token, width]`; SDXL's two encoders side by side.
  package var states: Tensor
  /// The second encoder's pooled state, `[prompt, width]`; nil if the model has one encoder.
  package var pooled: Tensor?
}

/// Encodes prompts (diffusers' `encode_prompt`).
package struct PromptEncoder: Sendable {
  /// A tokenizer and its text encoder.
  package struct Half: Sendable {
    package let tokenizer: CLIPTokenizer
    package let network: CLIPTextEncoder

    /// - Throws: `CheckpointError` for missing or damaged files.
    init(
      _ folder: any ModelFiles, tokenizer name: String, network: String, _ weights: Weights, home: PartHome
    ) throws {
      let source = try folder.tokenizer(name)
      tokenizer = try CLIPTokenizer(source)
      let shape = try CLIPTextConfiguration(folder.config(for: network))
      if case .clip = source, shape.vocabulary < CLIPTokenizer.clipTokenCount {
        throw DiffusionError.mismatch(
          folder: folder.path,
          what: "\(network) knows \(shape.vocabulary) tokens, CLIP has \(CLIPTokenizer.clipTokenCount); "
            + "put the model's own tokenizer into \(CheckpointFile.companionPath(of: folder.path))/\(name)")
      }
      self.network = try CLIPTextEncoder(weights, shape, home: home[network])
    }
  }

  /// The only encoder of Stable Diffusion 1 and 2, the first of SDXL.
  package let first: Half
  /// SDXL's second.
  package let second: Half?
  /// Whether SDXL's states are zeros if there is no negative prompt, rather than those of an empty text
  /// (`force_zeros_for_empty_prompt`).
  private let zerosForNoPrompt: Bool
  /// Learned words that LoRAs bring along. A request's own word replaces one with the same token.
  private let words: [TextualInversion]
  private let memory = PromptMemory()

  /// - Throws: `CheckpointError` for missing or damaged files, `DiffusionError.mismatch` for a second
  ///   encoder without a projection.
  init(_ folder: any ModelFiles, _ weights: ModelWeights, home: PartHome) throws {
    first = try Half(folder, tokenizer: "tokenizer", network: "text_encoder", weights.textEncoder, home: home)
    second = try weights.textEncoder2.map {
      try Half(folder, tokenizer: "tokenizer_2", network: "text_encoder_2", $0, home: home)
    }
    words = weights.words
    zerosForNoPrompt = try folder.index.bool("force_zeros_for_empty_prompt", default: true)
    if let second, second.network.configuration.projection == nil {
      throw DiffusionError.mismatch(
        folder: folder.path, what: "text_encoder_2 has no projection, but SDXL needs its pooled state")
    }
  }

  /// Channels of a text state.
  package var width: Int {
    first.network.configuration.width + (second?.network.configuration.width ?? 0)
  }

  /// Channels of the pooled state; nil if there is none.
  package var pooledWidth: Int? { second?.network.configuration.projection }

  /// Bytes of all weights except the token embeddings.
  package var byteCount: Int { first.network.byteCount + (second?.network.byteCount ?? 0) }

  /// - Parameters:
  ///   - prompts: the last is the positive one. nil means no prompt, which is an empty text or, if the model says so,
  ///     zeros.
  ///   - reading: how they are read.
  ///   - pass: where it is computed, and the cache of its weights.
  /// - Throws: `DiffusionError.tokenOutOfRange`, and that of `ChunkedPrompts`.
  package func callAsFunction(
    _ prompts: [String?], _ reading: PromptReading, _ pass: ForwardPass
  ) throws -> Conditioning {
    let halves = [first] + (second.map { [$0] } ?? [])
    var reading = reading
    let own = Set(reading.embeddings.map { $0.token.lowercased() })
    reading.embeddings += words.filter { !own.contains($0.token.lowercased()) }
    var chunked = try halves.enumerated().map { place, half in
      try ChunkedPrompts(
        prompts.map { $0 ?? "" }, reading, half.tokenizer, half.network.configuration, encoder: place,
        of: halves.count)
    }
    let count = chunked.map(\.longest).max() ?? 1
    for place in chunked.indices { chunked[place].pad(to: count) }
    guard let second else {
      let states = try chunked[0].encoded(skip: reading.clipSkip) { ids, skip, words in
        try remembered(ids, skip, words, encoder: 0, pass) {
          (try first.network.normalized($0, skip: skip, words: words, pass), nil)
        }
      }
      return Conditioning(states: states.states)
    }
    // SDXL takes the second to last layer of both.
    let both = try [first, second].enumerated().map { place, half in
      try chunked[place].encoded(skip: reading.clipSkip) { ids, skip, words in
        try remembered(ids, skip, words, encoder: place, pass) {
          try half.network.bare($0, skip: skip + 1, words: words, pass)
        }
      }
    }
    let (one, two) = (both[0], both[1])
    var conditioning = Conditioning(
      states: pass.compute.concatenateChannels(one.states, two.states), pooled: two.pooled)
    for (row, prompt) in prompts.enumerated() where prompt == nil && zerosForNoPrompt {
      conditioning.states.clear(image: row)
      conditioning.pooled?.clear(image: row)
    }
    return conditioning
  }

  /// Encodes rows of tokens, except rows that were encoded recently. In a plan, and with learned words, all are
  /// encoded.
  private func remembered(
    _ ids: [[Int32]], _ skip: Int, _ words: EmbeddingRows?, encoder: Int, _ pass: ForwardPass,
    _ encode: ([[Int32]]) throws -> (states: Tensor, pooled: Tensor?)
  ) throws -> (states: Tensor, pooled: Tensor?) {
    guard pass.plan == nil, words == nil else { return try encode(ids) }
    return try memory.encoded(ids, skip: skip, encoder: encoder, encode)
  }
}

extension Tensor {
  /// Sets one image of a batch to zero.
  fileprivate mutating func clear(image: Int) {
    let size = count / shape[0]
    if isMeta { return }
    withUnsafeMutable { $0[image * size..<(image + 1) * size].update(repeating: 0) }
  }
}
