import Checkpoints
import Experts
import Layers
import Requests
import Tensors
import WeightCache

/// Multi-head attention of every position to every other (diffusers' `attn1` in a `BasicTransformerBlock`). Its
/// projections may be mixtures.
struct SelfAttention: Sendable {
  private let projections: Projections
  private let output: CachedPart<Linear>
  private let heads: Int
  private let precision: Precision

  private enum Projections: Sendable {
    /// One product computes query, key and value side by side.
    case together(MixableLayer<Linear>)
    /// Three mixtures, each with a router of its own.
    case apart(query: MixableLayer<Linear>, key: MixableLayer<Linear>, value: MixableLayer<Linear>)
  }

  /// - Parameters:
  ///   - weights: the network's tensors.
  ///   - width: channels of a token.
  ///   - heads: attention heads.
  ///   - mixture: given if the projections are mixtures.
  ///   - home: where the weights are kept.
  /// - Throws: `CheckpointError` for missing or misshapen tensors, `LayerError` if `heads` does not
  ///   divide `width`.
  init(
    _ weights: Weights, width: Int, heads: Int, mixture: MixtureConfiguration?, home: PartHome
  ) throws {
    guard heads > 0, width % heads == 0 else {
      throw LayerError.headsDoNotDivide(layer: weights.name, channels: width, heads: heads)
    }
    let together = try MixableLayer(
      stacking: ["to_q", "to_k", "to_v"], of: weights, inputs: width, outputs: width, mixture: mixture,
      home: home)
    if let together {
      projections = .together(together)
    } else {
      func projection(_ name: String) throws -> MixableLayer<Linear> {
        try MixableLayer(
          weights[name], inputs: width, mixture: mixture, home: home,
          load: { try Linear($0, inputs: width, outputs: width, bias: false) })
      }
      projections = .apart(
        query: try projection("to_q"), key: try projection("to_k"), value: try projection("to_v"))
    }
    output = try CachedPart(weights["to_out.0"], in: home) {
      try Linear($0, inputs: width, outputs: width)
    }
    self.heads = heads
    precision = weights.precision
  }

  /// Bytes of all weights, experts counted separately.
  var byteCounts: ByteCounts {
    let output = ByteCounts(dense: output.byteCount)
    return switch projections {
    case .together(let layer): ByteCounts(layer.byteCounts) + output
    case .apart(let query, let key, let value):
      [query, key, value].reduce(output) { $0 + ByteCounts($1.byteCounts) }
    }
  }

  /// sum += self attention of `x` `[batch, positions, width]`.
  func add(_ x: Tensor, to sum: inout Tensor, _ pass: ForwardPass) throws {
    let attended = try attend(x, pass)
    try output(pass) { $0.add(attended, rowWeights: nil, to: &sum, pass.compute) }
  }

  /// sum += self attention of the means of groups of `x`'s tokens: each token of a group gets what the group gets.
  func add(_ x: Tensor, in groups: TokenGroups, to sum: inout Tensor, _ pass: ForwardPass) throws {
    let attended = try attend(pass.compute.means(of: x, groups), pass)
    let result = try output(pass) { $0(attended, pass.compute) }
    pass.compute.accumulate(result, ofGroups: groups, into: &sum)
  }

  /// The heads' results side by side, before the last layer.
  private func attend(_ x: Tensor, _ pass: ForwardPass) throws -> Tensor {
    switch projections {
    case .together(let layer):
      let projected = try layer(x, pass)
      return pass.compute.attention(
        query: Channels(projected, share: 0, of: 3), key: Channels(projected, share: 1, of: 3),
        value: Channels(projected, share: 2, of: 3), heads: heads, precision: precision)
    case .apart(let query, let key, let value):
      return pass.compute.attention(
        query: try query(x, pass), key: try key(x, pass), value: try value(x, pass), heads: heads,
        precision: precision)
    }
  }
}
