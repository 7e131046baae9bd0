import Checkpoints
import Layers
import Tensors
import WeightCache

/// A causal transformer over tokens (transformers' `CLIPTextModel`).
package struct CLIPTextEncoder: Sendable {
  package let configuration: CLIPTextConfiguration
  /// `[vocabulary, width]`. Only the rows that a prompt needs are read.
  private let tokens: WeightRows
  private let positions: Tensor
  private let layers: [CachedPart<CLIPTextLayer>]
  private let lastNorm: LayerNorm
  private let projection: CachedPart<Linear>?

  /// Reads the encoder; its tensors may or may not carry the prefix `text_model`.
  /// - Parameters:
  ///   - weights: the network's tensors.
  ///   - configuration: the shape of the network.
  ///   - home: where the weights are kept.
  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  package init(_ weights: Weights, _ configuration: CLIPTextConfiguration, home: PartHome) throws {
    self.configuration = configuration
    let all = weights
    let weights = all.has("embeddings.token_embedding.weight") ? all : all["text_model"]
    tokens = try weights["embeddings.token_embedding"].rows(
      "weight", shape: [configuration.vocabulary, configuration.width])
    positions = try weights["embeddings.position_embedding"].tensor(
      "weight", shape: [configuration.positions, configuration.width])
    layers = try (0..<configuration.layers).map {
      try CachedPart(weights["encoder.layers"][$0], in: home) { try CLIPTextLayer($0, configuration) }
    }
    lastNorm = try LayerNorm(
      weights["final_layer_norm"], channels: configuration.width, epsilon: configuration.epsilon)
    projection = try configuration.projection.map { outputs in
      try CachedPart(all["text_projection"], in: home) {
        try Linear($0, inputs: configuration.width, outputs: outputs, bias: false)
      }
    }
  }

  /// Bytes of all weights except the token embeddings, which are read as they are needed.
  package var byteCount: Int {
    positions.byteCount + layers.reduce(0) { $0 + $1.byteCount }
      + lastNorm.byteCount + (projection?.byteCount ?? 0)
  }

  /// The normalized last hidden state of each prompt.
  /// - Parameters:
  ///   - ids: token ids per prompt, all of one length, at most `positions`.
  ///   - pass: where it is computed, and the cache of its weights.
  /// - Returns: `[prompt, token, width]`.
  /// - Throws: `DiffusionError.tokenOutOfRange`.
  package func callAsFunction(_ ids: [[Int32]], _ pass: ForwardPass) throws -> Tensor {
    lastNorm(try hidden(ids, layers: layers.count, nil, pass), pass.compute)
  }

  /// The states of each prompt after some layer before the last, normalized as the last layer's would be
  /// (diffusers' `clip_skip` of Stable Diffusion 1 and 2).
  /// - Parameters:
  ///   - ids: token ids of each prompt, all of one length.
  ///   - skip: layers left out at the end; fewer than there are.
  ///   - words: token embeddings beyond the vocabulary.
  ///   - pass: where it is computed, and the cache of its weights.
  /// - Returns: `[prompt, token, width]`.
  /// - Throws: `DiffusionError.tokenOutOfRange`, and `.setting` for too large a skip.
  func normalized(_ ids: [[Int32]], skip: Int, words: EmbeddingRows?, _ pass: ForwardPass) throws
    -> Tensor
  {
    lastNorm(try hidden(ids, layers: try depth(skip), words, pass), pass.compute)
  }

  /// The states after some layer before the last, without normalization (transformers' `hidden_states[-1 - skip]`).
  /// From an encoder with a projection, also the projected last state of each prompt's end token.
  /// - Returns: `[prompt, token, width]`, and `[prompt, projection]`.
  /// - Throws: `DiffusionError.tokenOutOfRange`, and `.setting` for too large a skip.
  package func bare(_ ids: [[Int32]], skip: Int, words: EmbeddingRows?, _ pass: ForwardPass) throws -> (
    states: Tensor, pooled: Tensor?
  ) {
    let depth = try depth(skip)
    let states = try hidden(ids, layers: depth, words, pass)
    guard let projection else { return (states, nil) }
    let last = lastNorm(try run(layers[depth...], states, pass), pass.compute)
    let ends = ends(of: last, ids, pass.compute)
    return (states, try projection(pass) { $0(ends, pass.compute) })
  }

  private func depth(_ skip: Int) throws -> Int {
    guard (0..<layers.count).contains(skip) else {
      throw DiffusionError.setting(
        name: "clip skip", value: "\(skip)", allowed: "fewer than the text encoder's \(layers.count) layers")
    }
    return layers.count - skip
  }

  private func hidden(_ ids: [[Int32]], layers count: Int, _ words: EmbeddingRows?, _ pass: ForwardPass)
    throws
    -> Tensor
  {
    try run(layers[..<count], try embed(ids, words, pass.compute), pass)
  }

  private func run(
    _ layers: ArraySlice<CachedPart<CLIPTextLayer>>, _ input: Tensor, _ pass: ForwardPass
  ) throws -> Tensor {
    try layers.reduce(input) { states, layer in try layer(pass) { $0(states, pass.compute) } }
  }

  /// The state at each prompt's end token, `[prompt, width]`. Without one it is the first state, as in
  /// transformers.
  private func ends(of states: Tensor, _ ids: [[Int32]], _ compute: Compute) -> Tensor {
    let (length, width) = (states.shape[1], states.shape[2])
    return compute.tensor(shape: [ids.count, width]) { result in
      states.withUnsafe { states in
        for (prompt, row) in ids.enumerated() {
          let wanted = configuration.endToken ?? row.max() ?? 0
          let start = (prompt * length + (row.firstIndex(of: wanted) ?? 0)) * width
          for channel in 0..<width { result[prompt * width + channel] = states[start + channel] }
        }
      }
    }
  }

  /// - Parameters:
  ///   - ids: token ids of each prompt, all of one length.
  ///   - words: rows that follow the vocabulary's own, `[row, width]`.
  ///   - compute: where it is computed.
  private func embed(_ ids: [[Int32]], _ words: EmbeddingRows?, _ compute: Compute) throws -> Tensor {
    let (width, vocabulary) = (configuration.width, configuration.vocabulary)
    let length = ids.first?.count ?? 0
    for id in ids.joined() where id < 0 || id >= vocabulary && words?.range.contains(Int(id)) != true {
      throw DiffusionError.tokenOutOfRange(id: Int(id), vocabulary: vocabulary)
    }
    guard length <= configuration.positions else {
      throw DiffusionError.setting(
        name: "prompt length", value: "\(length) tokens", allowed: "at most \(configuration.positions)")
    }
    // Each token's row once, however often it is in the prompts.
    var rows: [Int32: [Float]] = [:]
    if compute.plan == nil {
      for id in Set(ids.joined()) where id < vocabulary {
        rows[id] = try tokens.row(Int(id))
      }
    }
    return compute.tensor(shape: [ids.count, length, width]) { result in
      positions.withUnsafe { positions in
        for (prompt, row) in ids.enumerated() {
          for (position, token) in row.enumerated() {
            let start = (prompt * length + position) * width
            func place(_ embedding: some Collection<Float>) {
              for (channel, value) in embedding.enumerated() {
                result[start + channel] = value + positions[position * width + channel]
              }
            }
            if let (table, row) = words?.row(of: Int(token)) {
              table.withUnsafe { place($0[row * width..<(row + 1) * width]) }
            } else if let embedding = rows[token] {
              place(embedding)
            }
          }
        }
      }
    }
  }
}
