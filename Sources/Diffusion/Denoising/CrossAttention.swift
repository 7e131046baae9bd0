import Checkpoints
import Experts
import Layers
import Requests
import Tensors
import WeightCache

/// Keys and values of one cross-attention layer for one prompt, projected once per render.
package struct ProjectedText: Sendable {
  /// Heads · head width channels of `[batch, tokens, …]`.
  let key: Channels
  let value: Channels
}

/// Multi-head attention to the text (diffusers' `attn2` in a `BasicTransformerBlock`). Its query, key and value
/// projections may be mixtures.
struct CrossAttention: Sendable {
  private let query: MixableLayer<Linear>
  private let text: TextProjections
  private let output: CachedPart<Linear>
  private let heads: Int
  private let precision: Precision

  private enum TextProjections: Sendable {
    /// One product computes key and value side by side.
    case together(MixableLayer<Linear>)
    /// Two mixtures, each with a router of its own.
    case apart(key: MixableLayer<Linear>, value: MixableLayer<Linear>)
  }

  /// - Parameters:
  ///   - weights: the network's tensors.
  ///   - width: channels of the query side; `contextWidth` of the key and value side.
  ///   - contextWidth: channels of a token of the text.
  ///   - heads: attention heads.
  ///   - mixture: given if the projections are mixtures.
  ///   - home: where the weights are kept.
  /// - Throws: `CheckpointError` for missing or misshapen tensors, `LayerError` if `heads` does not
  ///   divide `width`.
  init(
    _ weights: Weights, width: Int, contextWidth: Int, heads: Int, mixture: MixtureConfiguration?,
    home: PartHome
  ) throws {
    guard heads > 0, width % heads == 0 else {
      throw LayerError.headsDoNotDivide(layer: weights.name, channels: width, heads: heads)
    }
    func projection(_ name: String, inputs: Int) throws -> MixableLayer<Linear> {
      try MixableLayer(
        weights[name], inputs: inputs, mixture: mixture, home: home,
        load: { try Linear($0, inputs: inputs, outputs: width, bias: false) })
    }
    query = try projection("to_q", inputs: width)
    let together = try MixableLayer(
      stacking: ["to_k", "to_v"], of: weights, inputs: contextWidth, outputs: width, mixture: mixture,
      home: home)
    text =
      if let together {
        .together(together)
      } else {
        .apart(
          key: try projection("to_k", inputs: contextWidth),
          value: try projection("to_v", inputs: contextWidth))
      }
    output = try CachedPart(weights["to_out.0"], in: home) {
      try Linear($0, inputs: width, outputs: width)
    }
    self.heads = heads
    precision = weights.precision
  }

  /// Bytes of all weights, experts counted separately.
  var byteCounts: ByteCounts {
    let ours = ByteCounts(query.byteCounts) + ByteCounts(dense: output.byteCount)
    return switch text {
    case .together(let layer): ours + ByteCounts(layer.byteCounts)
    case .apart(let key, let value): ours + ByteCounts(key.byteCounts) + ByteCounts(value.byteCounts)
    }
  }

  /// Projects text states `[batch, tokens, contextWidth]`.
  func project(_ context: Tensor, _ pass: ForwardPass) throws -> ProjectedText {
    switch text {
    case .together(let layer):
      let projected = try layer(context, pass)
      return ProjectedText(
        key: Channels(projected, share: 0, of: 2), value: Channels(projected, share: 1, of: 2))
    case .apart(let key, let value):
      return ProjectedText(key: Channels(try key(context, pass)), value: Channels(try value(context, pass)))
    }
  }

  /// sum += cross attention of `x` `[batch, positions, width]` to projected text.
  func add(_ x: Tensor, text: ProjectedText, to sum: inout Tensor, _ pass: ForwardPass) throws {
    let query = Channels(try query(x, pass))
    let attended = pass.compute.attention(
      query: query, key: text.key, value: text.value, heads: heads, precision: precision)
    try output(pass) { $0.add(attended, rowWeights: nil, to: &sum, pass.compute) }
  }
}
