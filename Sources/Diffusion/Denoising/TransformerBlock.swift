import Checkpoints
import Experts
import Layers
import Tensors
import WeightCache

/// Self attention, cross attention and feed-forward (diffusers' `BasicTransformerBlock`). Each takes the normalized
/// activations, and its result is added to them.
struct TransformerBlock: Sendable {
  private let norm1: LayerNorm
  private let selfAttention: SelfAttention
  private let norm2: LayerNorm
  private let crossAttention: CrossAttention
  private let norm3: LayerNorm
  private let feedForward: MixableLayer<FeedForward>

  /// - Parameters:
  ///   - weights: the network's tensors.
  ///   - width: channels of a token.
  ///   - contextWidth: channels of a token of the text.
  ///   - heads: attention heads.
  ///   - mixture: given if the block's UNet level holds mixtures.
  ///   - home: where the weights are kept.
  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  init(
    _ weights: Weights, width: Int, contextWidth: Int, heads: Int, mixture: MixtureConfiguration?,
    home: PartHome
  ) throws {
    let layers = mixture?.layers
    let attentionMixture = layers == .feedForward ? nil : mixture
    norm1 = try LayerNorm(weights["norm1"], channels: width)
    norm2 = try LayerNorm(weights["norm2"], channels: width)
    norm3 = try LayerNorm(weights["norm3"], channels: width)
    selfAttention = try SelfAttention(
      weights["attn1"], width: width, heads: heads, mixture: attentionMixture, home: home)
    crossAttention = try CrossAttention(
      weights["attn2"], width: width, contextWidth: contextWidth, heads: heads,
      mixture: attentionMixture, home: home)
    feedForward = try MixableLayer(
      weights["ff"], inputs: width, mixture: layers == .attention ? nil : mixture, home: home,
      load: { try FeedForward($0, width: width) })
  }

  /// Bytes of all weights, experts counted separately.
  var byteCounts: ByteCounts {
    ByteCounts(dense: norm1.byteCount + norm2.byteCount + norm3.byteCount) + selfAttention.byteCounts
      + crossAttention.byteCounts + ByteCounts(feedForward.byteCounts)
  }

  /// Projects text states for the block's cross attention.
  func project(_ context: Tensor, _ pass: ForwardPass) throws -> ProjectedText {
    try crossAttention.project(context, pass)
  }

  /// `[batch, positions, width]`, shape kept.
  /// - Parameters:
  ///   - input: `[batch, positions, width]`.
  ///   - text: the result of `project`.
  ///   - groups: of tokens that count as one in self attention; nil if each counts.
  ///   - pass: where it is computed, and the cache of its weights.
  func callAsFunction(
    _ input: Tensor, text: ProjectedText, groups: TokenGroups?, _ pass: ForwardPass
  ) throws -> Tensor {
    let compute = pass.compute
    var x = input
    if let groups {
      try selfAttention.add(norm1(x, compute), in: groups, to: &x, pass)
    } else {
      try selfAttention.add(norm1(x, compute), to: &x, pass)
    }
    try crossAttention.add(norm2(x, compute), text: text, to: &x, pass)
    try feedForward.add(norm3(x, compute), to: &x, pass)
    return x
  }
}
