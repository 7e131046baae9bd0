import Checkpoints
import Layers
import Tensors

/// The shape of a CLIP text encoder: `text_encoder/config.json`.
package struct CLIPTextConfiguration: Sendable {
  package let vocabulary: Int
  package let width: Int
  package let innerWidth: Int
  package let layers: Int
  package let heads: Int
  package let positions: Int
  package let epsilon: Float
  package let activation: Compute.Activation

  /// - Throws: `CheckpointError` from the config file, `DiffusionError.unsupported` for another kind
  ///   of encoder or an unknown activation.
  package init(_ config: ConfigObject) throws {
    if let architectures = try config.stringsIfPresent("architectures"),
      let other = architectures.first(where: { !$0.hasPrefix("CLIPTextModel") })
    {
      throw DiffusionError.unsupported(file: config.path, key: "architectures", value: other)
    }
    vocabulary = try config.int("vocab_size", default: 49408, in: 1...10_000_000)
    width = try config.int("hidden_size", default: 512, in: 1...10_000_000)
    innerWidth = try config.int("intermediate_size", default: 2048, in: 1...10_000_000)
    layers = try config.int("num_hidden_layers", default: 12, in: 1...10_000_000)
    heads = try config.int("num_attention_heads", default: 8, in: 1...10_000_000)
    positions = try config.int("max_position_embeddings", default: 77, in: 1...10_000_000)
    epsilon = Float(try config.double("layer_norm_eps", default: 1e-5))
    switch try config.string("hidden_act", default: "quick_gelu") {
    case "quick_gelu": activation = .quickGELU
    case "gelu": activation = .gelu
    case let other:
      throw DiffusionError.unsupported(file: config.path, key: "hidden_act", value: other)
    }
  }
}

/// A causal transformer over tokens (transformers' `CLIPTextModel`).
package struct CLIPTextEncoder: Sendable {
  package let configuration: CLIPTextConfiguration
  private let tokens: Tensor
  private let positions: Tensor
  private let layers: [CLIPTextLayer]
  private let lastNorm: LayerNorm

  /// Reads the encoder; its tensors may or may not carry the prefix `text_model`.
  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  package init(_ weights: Weights, _ configuration: CLIPTextConfiguration) throws {
    self.configuration = configuration
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
      + lastNorm.byteCount
  }

  /// The normalized last hidden state of each prompt.
  /// - Parameter ids: token ids per prompt, all of one length, at most `positions`.
  /// - Returns: `[prompt, token, width]`.
  /// - Throws: `DiffusionError.tokenOutOfRange`.
  package func callAsFunction(_ ids: [[Int32]], _ compute: Compute) throws -> Tensor {
    var x = try embed(ids)
    for layer in layers { x = layer(x, compute) }
    return lastNorm(x, compute)
  }

  private func embed(_ ids: [[Int32]]) throws -> Tensor {
    let width = configuration.width
    let length = ids.first?.count ?? 0
    for id in ids.joined() where id < 0 || id >= configuration.vocabulary {
      throw DiffusionError.tokenOutOfRange(id: Int(id), vocabulary: configuration.vocabulary)
    }
    guard length <= configuration.positions else {
      throw DiffusionError.setting(
        name: "prompt length", value: "\(length) tokens", allowed: "at most \(configuration.positions)")
    }
    return Tensor(shape: [ids.count, length, width]) { result in
      tokens.withUnsafe { tokens in
        positions.withUnsafe { positions in
          for (prompt, row) in ids.enumerated() {
            for (position, token) in row.enumerated() {
              let id = Int(token)
              let start = (prompt * length + position) * width
              for channel in 0..<width {
                result[start + channel] =
                  tokens[id * width + channel] + positions[position * width + channel]
              }
            }
          }
        }
      }
    }
  }
}

/// Self attention that looks back only, then a two-layer network, each on a normalized input and
/// added to it (transformers' `CLIPEncoderLayer`).
struct CLIPTextLayer: Sendable {
  private let norm1: LayerNorm
  private let query: Linear
  private let key: Linear
  private let value: Linear
  private let output: Linear
  private let norm2: LayerNorm
  private let expand: Linear
  private let contract: Linear
  private let heads: Int
  private let activation: Compute.Activation

  init(_ weights: Weights, _ configuration: CLIPTextConfiguration) throws {
    let width = configuration.width
    guard width % configuration.heads == 0 else {
      throw LayerError.headsDoNotDivide(
        layer: weights.name, channels: width, heads: configuration.heads)
    }
    norm1 = try LayerNorm(weights["layer_norm1"], channels: width, epsilon: configuration.epsilon)
    query = try Linear(weights["self_attn.q_proj"], inputs: width, outputs: width)
    key = try Linear(weights["self_attn.k_proj"], inputs: width, outputs: width)
    value = try Linear(weights["self_attn.v_proj"], inputs: width, outputs: width)
    output = try Linear(weights["self_attn.out_proj"], inputs: width, outputs: width)
    norm2 = try LayerNorm(weights["layer_norm2"], channels: width, epsilon: configuration.epsilon)
    expand = try Linear(weights["mlp.fc1"], inputs: width, outputs: configuration.innerWidth)
    contract = try Linear(weights["mlp.fc2"], inputs: configuration.innerWidth, outputs: width)
    heads = configuration.heads
    activation = configuration.activation
  }

  var residentBytes: Int {
    [query, key, value, output, expand, contract].reduce(norm1.byteCount + norm2.byteCount) {
      $0 + $1.byteCount
    }
  }

  func callAsFunction(_ input: Tensor, _ compute: Compute) -> Tensor {
    var x = input
    let normed = norm1(x, compute)
    let attended = compute.attention(
      query: query(normed, compute), key: key(normed, compute), value: value(normed, compute),
      heads: heads, causal: true)
    compute.accumulate(output(attended, compute), into: &x)
    let inner = compute.activate(expand(norm2(x, compute), compute), activation)
    compute.accumulate(contract(inner, compute), into: &x)
    return x
  }
}
