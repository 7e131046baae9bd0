import Checkpoints
import Experts
import Layers
import Tensors

/// Transformer blocks over the positions of a feature map (diffusers' `Transformer2DModel`).
/// Channels last, so tokens are pixels: nothing is transposed on the way in or out.
package struct SpatialTransformer: Sendable {
  private let norm: GroupNorm
  private let enter: Linear
  private let blocks: [TransformerBlock]
  private let leave: Linear

  /// - Parameters:
  ///   - depth: number of transformer blocks.
  ///   - linearProjection: whether `proj_in`/`proj_out` are stored as linear layers rather than as
  ///     1×1 convolutions.
  ///   - mixture: given if the blocks hold mixtures.
  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  package init(
    _ weights: Weights, width: Int, contextWidth: Int, heads: Int, depth: Int, groups: Int,
    linearProjection: Bool, mixture: Mixture?
  ) throws {
    norm = try GroupNorm(
      weights["norm"], channels: width, groups: groups, epsilon: 1e-6, silu: false)
    enter = try Linear(
      weights["proj_in"], inputs: width, outputs: width, pointwise: !linearProjection)
    blocks = try (0..<depth).map {
      try TransformerBlock(
        weights["transformer_blocks"][$0], width: width, contextWidth: contextWidth, heads: heads,
        mixture: mixture)
    }
    leave = try Linear(
      weights["proj_out"], inputs: width, outputs: width, pointwise: !linearProjection)
  }

  /// Bytes of weights that stay in memory.
  package var residentBytes: Int {
    norm.byteCount + enter.byteCount + leave.byteCount + blocks.reduce(0) { $0 + $1.residentBytes }
  }

  /// Projects text states for each block's cross attention, in order.
  package func project(_ context: Tensor, _ pass: ForwardPass) throws -> [ProjectedText] {
    try blocks.map { try $0.project(context, pass) }
  }

  /// `[batch, height, width, channel]`, shape kept.
  /// - Parameter texts: what `project` gave.
  package func callAsFunction(_ x: Tensor, texts: ArraySlice<ProjectedText>, _ pass: ForwardPass) throws
    -> Tensor
  {
    let tokens = [x.shape[0], x.shape[1] * x.shape[2], x.shape[3]]
    var hidden = enter(norm(x, pass.compute).reshaped(tokens), pass.compute)
    for (block, text) in zip(blocks, texts) { hidden = try block(hidden, text: text, pass) }
    hidden = leave(hidden, pass.compute)
    pass.compute.accumulate(x, into: &hidden)
    return hidden.reshaped(x.shape)
  }

  /// How many projected texts the blocks need.
  package var depth: Int { blocks.count }
}
