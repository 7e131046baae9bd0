import Checkpoints
import Experts
import Layers
import Tensors
import WeightCache

/// Keys and values of a transformer's cross-attention layers.
package struct TransformerTexts: Sendable {
  /// One entry per transformer block.
  let blocks: [ProjectedText]
}

/// Transformer blocks over the positions of a feature map (diffusers' `Transformer2DModel`).
/// Channels come last, so a feature map already is a row of tokens and nothing has to be transposed.
struct SpatialTransformer: Sendable {
  private let norm: GroupNorm
  private let projectIn: CachedPart<Linear>
  private let blocks: [TransformerBlock]
  private let projectOut: CachedPart<Linear>

  /// - Parameters:
  ///   - weights: the network's tensors.
  ///   - width: channels of the feature map.
  ///   - contextWidth: channels of a token of the text.
  ///   - heads: attention heads.
  ///   - depth: number of transformer blocks.
  ///   - groups: the groups of group normalization.
  ///   - linearProjection: whether `proj_in`/`proj_out` are stored as linear layers rather than as
  ///     1×1 convolutions.
  ///   - mixture: given if the blocks hold mixtures.
  ///   - home: where the weights are kept.
  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  init(
    _ weights: Weights, width: Int, contextWidth: Int, heads: Int, depth: Int, groups: Int,
    linearProjection: Bool, mixture: MixtureConfiguration?, home: PartHome
  ) throws {
    norm = try GroupNorm(
      weights["norm"], channels: width, groups: groups, epsilon: 1e-6, silu: false)
    func projection(_ name: String) throws -> CachedPart<Linear> {
      try CachedPart(weights[name], in: home) {
        try Linear($0, inputs: width, outputs: width, pointwise: !linearProjection)
      }
    }
    projectIn = try projection("proj_in")
    blocks = try (0..<depth).map {
      try TransformerBlock(
        weights["transformer_blocks"][$0], width: width, contextWidth: contextWidth, heads: heads,
        mixture: mixture, home: home)
    }
    projectOut = try projection("proj_out")
  }

  /// Bytes of all weights, experts counted separately.
  var byteCounts: ByteCounts {
    blocks.reduce(ByteCounts(dense: norm.byteCount + projectIn.byteCount + projectOut.byteCount)) {
      $0 + $1.byteCounts
    }
  }

  /// Projects text states for each block's cross attention.
  func project(_ context: Tensor, _ pass: ForwardPass) throws -> TransformerTexts {
    TransformerTexts(blocks: try blocks.map { try $0.project(context, pass) })
  }

  /// `[batch, height, width, channel]`, shape kept.
  /// - Parameters:
  ///   - x: `[batch, height, width, channel]`.
  ///   - texts: the result of `project`.
  ///   - merger: merges tokens before self attention; nil: none are merged.
  ///   - pass: where it is computed, and the cache of its weights.
  func callAsFunction(
    _ x: Tensor, texts: TransformerTexts, merger: inout TokenMerger?, _ pass: ForwardPass
  ) throws -> Tensor {
    let tokens = [x.shape[0], x.shape[1] * x.shape[2], x.shape[3]]
    let normed = norm(x, pass.compute).reshaped(tokens)
    var hidden = try projectIn(pass) { $0(normed, pass.compute) }
    for (block, text) in zip(blocks, texts.blocks) {
      let groups = merger?.groups(of: hidden, height: x.shape[1], width: x.shape[2], pass.compute)
      hidden = try block(hidden, text: text, groups: groups, pass)
    }
    hidden = try projectOut(pass) { $0(hidden, pass.compute) }
    pass.compute.accumulate(x, into: &hidden)
    return hidden.reshaped(x.shape)
  }
}
