import Checkpoints
import Experts
import Layers
import Tensors

/// Self attention, cross attention and feed-forward, each on a normalized input and added to it
/// (diffusers' `BasicTransformerBlock`).
package struct TransformerBlock: Sendable {
  private let norm1: LayerNorm
  private let selfAttention: CrossAttention
  private let norm2: LayerNorm
  private let crossAttention: CrossAttention
  private let norm3: LayerNorm
  private let feedForward: MixableLayer<FeedForward>

  /// - Parameter mixture: given if the block's UNet level holds mixtures.
  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  package init(_ weights: Weights, width: Int, contextWidth: Int, heads: Int, mixture: Mixture?) throws {
    let layers = mixture?.configuration.layers
    let attentionMixture = layers == .feedForward ? nil : mixture
    norm1 = try LayerNorm(weights["norm1"], channels: width)
    selfAttention = try CrossAttention(
      weights["attn1"], width: width, contextWidth: width, heads: heads, mixture: attentionMixture)
    norm2 = try LayerNorm(weights["norm2"], channels: width)
    crossAttention = try CrossAttention(
      weights["attn2"], width: width, contextWidth: contextWidth, heads: heads,
      mixture: attentionMixture)
    norm3 = try LayerNorm(weights["norm3"], channels: width)
    feedForward = try MixableLayer(
      weights["ff"], inputs: width, outputs: width, mixture: layers == .attention ? nil : mixture,
      validate: {
        _ = try $0.stored("net.0.proj.weight", shape: [8 * width, width])
        _ = try $0.stored("net.0.proj.bias", shape: [8 * width])
        _ = try $0.stored("net.2.weight", shape: [width, 4 * width])
        _ = try $0.stored("net.2.bias", shape: [width])
      },
      load: { try FeedForward($0, width: width) })
  }

  /// Bytes of weights that stay in memory.
  package var residentBytes: Int {
    norm1.byteCount + norm2.byteCount + norm3.byteCount + selfAttention.residentBytes
      + crossAttention.residentBytes + feedForward.residentBytes
  }

  /// Projects text states for the block's cross attention.
  package func project(_ context: Tensor, _ pass: ForwardPass) throws -> ProjectedText {
    try crossAttention.project(context, pass)
  }

  /// `[batch, positions, width]`, shape kept.
  package func callAsFunction(_ input: Tensor, text: ProjectedText, _ pass: ForwardPass) throws -> Tensor {
    let compute = pass.compute
    var x = input
    try selfAttention.add(norm1(x, compute), to: &x, pass)
    try crossAttention.add(norm2(x, compute), text: text, to: &x, pass)
    try feedForward.add(norm3(x, compute), to: &x, pass)
    return x
  }
}
