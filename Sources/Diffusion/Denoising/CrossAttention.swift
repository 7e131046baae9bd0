import Checkpoints
import Experts
import Layers
import Tensors

/// Keys and values of one cross-attention layer for one prompt, projected once per render.
package struct ProjectedText: Sendable {
  /// `[batch, tokens, heads·width]`.
  let key: Tensor
  let value: Tensor
}

/// Multi-head attention whose query, key and value projections may be mixtures
/// (diffusers' `Attention` in a `BasicTransformerBlock`).
package struct CrossAttention: Sendable {
  private let query: MixableLayer<Linear>
  private let key: MixableLayer<Linear>
  private let value: MixableLayer<Linear>
  private let output: CachedPart<Linear>
  private let heads: Int
  /// Gates made from hidden states are the same for layers that see the same input: then they
  /// route alike, and one routing serves them.
  private let queryRoutesLikeKey: Bool
  private let valueRoutesLikeKey: Bool

  /// - Parameters:
  ///   - width: channels of the query side; `contextWidth` of the key and value side.
  ///   - mixture: given if the projections are mixtures.
  ///   - home: where the weights are kept.
  /// - Throws: `CheckpointError` for missing or misshapen tensors, `LayerError` if `heads` does not
  ///   divide `width`.
  package init(
    _ weights: Weights, width: Int, contextWidth: Int, heads: Int, mixture: MixtureConfiguration?,
    home: PartHome
  ) throws {
    guard heads > 0, width % heads == 0 else {
      throw LayerError.headsDoNotDivide(layer: weights.name, channels: width, heads: heads)
    }
    func projection(_ name: String, inputs: Int) throws -> MixableLayer<Linear> {
      try MixableLayer(
        weights[name], inputs: inputs, outputs: width, mixture: mixture, home: home,
        load: { try Linear($0, inputs: inputs, outputs: width, bias: false) })
    }
    query = try projection("to_q", inputs: width)
    key = try projection("to_k", inputs: contextWidth)
    value = try projection("to_v", inputs: contextWidth)
    output = try CachedPart(weights["to_out.0"], in: home) {
      try Linear($0, inputs: width, outputs: width)
    }
    self.heads = heads
    queryRoutesLikeKey = Self.routeAlike(query, key)
    valueRoutesLikeKey = Self.routeAlike(value, key)
  }

  /// Bytes of all weights, those of experts apart.
  package var byteCounts: ByteCounts {
    ByteCounts(query.byteCounts) + ByteCounts(key.byteCounts) + ByteCounts(value.byteCounts)
      + ByteCounts(dense: output.byteCount)
  }

  /// Projects text states `[batch, tokens, contextWidth]`.
  package func project(_ context: Tensor, _ pass: ForwardPass) throws -> ProjectedText {
    let routing = key.router?.route(context, pass.compute)
    return ProjectedText(
      key: try key(context, routing: routing, pass),
      value: try value(context, routing: valueRoutesLikeKey ? routing : nil, pass))
  }

  /// sum += cross attention of `x` `[batch, positions, width]` to projected text.
  package func add(_ x: Tensor, text: ProjectedText, to sum: inout Tensor, _ pass: ForwardPass) throws {
    let query = try query(x, pass)
    let attended = pass.compute.attention(query: query, key: text.key, value: text.value, heads: heads)
    try output(pass) { $0.add(attended, rowWeights: nil, to: &sum, pass.compute) }
  }

  /// sum += self attention of `x` `[batch, positions, width]`.
  package func add(_ x: Tensor, to sum: inout Tensor, _ pass: ForwardPass) throws {
    let routing = key.router?.route(x, pass.compute)
    let q = try query(x, routing: queryRoutesLikeKey ? routing : nil, pass)
    let k = try key(x, routing: routing, pass)
    let v = try value(x, routing: valueRoutesLikeKey ? routing : nil, pass)
    let attended = pass.compute.attention(query: q, key: k, value: v, heads: heads)
    try output(pass) { $0.add(attended, rowWeights: nil, to: &sum, pass.compute) }
  }

  private static func routeAlike(_ a: MixableLayer<Linear>, _ b: MixableLayer<Linear>) -> Bool {
    guard let a = a.router?.gate, let b = b.router?.gate, a.shape == b.shape else { return false }
    return a.withUnsafe { a in b.withUnsafe { b in zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern } } }
  }
}
