import Checkpoints
import Layers
import Tensors

/// A causal transformer over tokens (transformers' `CLIPTextModel`).
package struct CLIPTextEncoder: Sendable {
  package let configuration: CLIPTextConfiguration
  private let tokens: Tensor
  private let positions: Tensor
  private let layers: [CLIPTextLayer]
  private let lastNorm: LayerNorm
  private let projection: Linear?

  /// Reads the encoder; its tensors may or may not carry the prefix `text_model`.
  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  package init(_ weights: Weights, _ configuration: CLIPTextConfiguration) throws {
    self.configuration = configuration
    projection = try configuration.projection.map {
      try Linear(weights["text_projection"], inputs: configuration.width, outputs: $0, bias: false)
    }
    let weights =
      weights.has("text_model.embeddings.token_embedding.weight") ? weights["text_model"] : weights
    tokens = try weights["embeddings.token_embedding"].tensor(
      "weight", shape: [configuration.vocabulary, configuration.width])
    positions = try weights["embeddings.position_embedding"].tensor(
      "weight", shape: [configuration.positions, configuration.width])
    layers = try (0..<configuration.layers).map {
      try CLIPTextLayer(weights["encoder.layers"][$0], configuration)
    }
    lastNorm = try LayerNorm(
      weights["final_layer_norm"], channels: configuration.width, epsilon: configuration.epsilon)
  }

  /// Bytes of weights held.
  package var residentBytes: Int {
    tokens.byteCount + positions.byteCount + layers.reduce(0) { $0 + $1.residentBytes }
      + lastNorm.byteCount + (projection?.byteCount ?? 0)
  }

  /// The normalized last hidden state of each prompt.
  /// - Parameter ids: token ids per prompt, all of one length, at most `positions`.
  /// - Returns: `[prompt, token, width]`.
  /// - Throws: `DiffusionError.tokenOutOfRange`.
  package func callAsFunction(_ ids: [[Int32]], _ compute: Compute) throws -> Tensor {
    lastNorm(try hidden(ids, layers: layers.count, nil, compute), compute)
  }

  /// The states of each prompt some layers before the last, normalized as if they were the last
  /// (diffusers' `clip_skip` of Stable Diffusion 1 and 2).
  /// - Parameters:
  ///   - skip: layers left out at the end; fewer than there are.
  ///   - words: token embeddings beyond the vocabulary.
  /// - Returns: `[prompt, token, width]`.
  /// - Throws: `DiffusionError.tokenOutOfRange`, and `.setting` for too large a skip.
  package func normalized(_ ids: [[Int32]], skip: Int, words: EmbeddingRows?, _ compute: Compute) throws
    -> Tensor
  {
    lastNorm(try hidden(ids, layers: try depth(skip), words, compute), compute)
  }

  /// The bare states some layers before the last (transformers' `hidden_states[-1 - skip]`), and, from an
  /// encoder with a projection, the projected last state of each prompt's end token.
  /// - Returns: `[prompt, token, width]`, and `[prompt, projection]`.
  /// - Throws: `DiffusionError.tokenOutOfRange`, and `.setting` for too large a skip.
  package func bare(_ ids: [[Int32]], skip: Int, words: EmbeddingRows?, _ compute: Compute) throws -> (
    states: Tensor, pooled: Tensor?
  ) {
    let depth = try depth(skip)
    let states = try hidden(ids, layers: depth, words, compute)
    guard let projection else { return (states, nil) }
    let last = lastNorm(layers[depth...].reduce(states) { $1($0, compute) }, compute)
    return (states, projection(ends(of: last, ids), compute))
  }

  private func depth(_ skip: Int) throws -> Int {
    guard (0..<layers.count).contains(skip) else {
      throw DiffusionError.setting(
        name: "clip skip", value: "\(skip)", allowed: "fewer than the text encoder's \(layers.count) layers")
    }
    return layers.count - skip
  }

  private func hidden(_ ids: [[Int32]], layers count: Int, _ words: EmbeddingRows?, _ compute: Compute) throws
    -> Tensor
  {
    layers[..<count].reduce(try embed(ids, words)) { $1($0, compute) }
  }

  /// The state at each prompt's end token, `[prompt, width]`. Without one it is the first state, as in
  /// transformers.
  private func ends(of states: Tensor, _ ids: [[Int32]]) -> Tensor {
    let (length, width) = (states.shape[1], states.shape[2])
    return Tensor(shape: [ids.count, width]) { result in
      states.withUnsafe { states in
        for (prompt, row) in ids.enumerated() {
          let wanted = configuration.endToken ?? row.max() ?? 0
          let start = (prompt * length + (row.firstIndex(of: wanted) ?? 0)) * width
          for channel in 0..<width { result[prompt * width + channel] = states[start + channel] }
        }
      }
    }
  }

  /// - Parameter words: rows that follow the vocabulary's own, `[row, width]`.
  private func embed(_ ids: [[Int32]], _ words: EmbeddingRows?) throws -> Tensor {
    let (width, vocabulary) = (configuration.width, configuration.vocabulary)
    let length = ids.first?.count ?? 0
    for id in ids.joined() where id < 0 || id >= vocabulary && words?.range.contains(Int(id)) != true {
      throw DiffusionError.tokenOutOfRange(id: Int(id), vocabulary: vocabulary)
    }
    guard length <= configuration.positions else {
      throw DiffusionError.setting(
        name: "prompt length", value: "\(length) tokens", allowed: "at most \(configuration.positions)")
    }
    return Tensor(shape: [ids.count, length, width]) { result in
      positions.withUnsafe { positions in
        for (prompt, row) in ids.enumerated() {
          for (position, token) in row.enumerated() {
            let start = (prompt * length + position) * width
            let (table, row) = words?.row(of: Int(token)) ?? (tokens, Int(token))
            table.withUnsafe { table in
              for channel in 0..<width {
                result[start + channel] = table[row * width + channel] + positions[position * width + channel]
              }
            }
          }
        }
      }
    }
  }
}
