import Checkpoints
import Experts
import Layers
import Tensors

/// Latents to pixels (the decoder half of diffusers' `AutoencoderKL`).
package struct AutoencoderDecoder: Sendable {
  package let configuration: AutoencoderConfiguration
  private let postQuant: Linear?
  private let enter: Convolution
  private let middle: AutoencoderMiddle
  private let levels: [Level]
  private let lastNorm: GroupNorm
  private let leave: Convolution

  /// A level of equal feature-map size.
  private struct Level: Sendable {
    let blocks: [ResidualBlock]
    let upsample: CachedPart<Convolution>?
  }

  /// - Parameter home: where the weights are kept.
  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  package init(_ weights: Weights, _ configuration: AutoencoderConfiguration, home: PartHome) throws {
    self.configuration = configuration
    let widths = Array(configuration.widths.reversed())
    let latent = configuration.latentChannels
    let decoder = weights["decoder"]
    postQuant =
      configuration.usesPostQuantConvolution
      ? try Linear(
        weights["post_quant_conv"].layers(in: .f32), inputs: latent, outputs: latent, pointwise: true) : nil
    enter = try Convolution(
      decoder["conv_in"].layers(in: .f32), inputs: latent, outputs: widths[0],
      shape: ConvolutionShape(kernel: 3))
    middle = try AutoencoderMiddle(decoder["mid_block"], width: widths[0], configuration, home: home)
    levels = try widths.indices.map { index in
      let scope = decoder["up_blocks"][index]
      let blocks = try (0...configuration.layers).map { layer in
        try ResidualBlock(
          scope["resnets"][layer], inputs: layer == 0 ? widths[max(0, index - 1)] : widths[index],
          outputs: widths[index], timeWidth: nil, groups: configuration.groups,
          epsilon: AutoencoderMiddle.epsilon, home: home)
      }
      let upsample =
        index == widths.count - 1
        ? nil
        : try CachedPart(scope["upsamplers.0.conv"], in: home) {
          try Convolution(
            $0, inputs: widths[index], outputs: widths[index], shape: ConvolutionShape(kernel: 3))
        }
      return Level(blocks: blocks, upsample: upsample)
    }
    let last = widths[widths.count - 1]
    lastNorm = try GroupNorm(
      decoder["conv_norm_out"], channels: last, groups: configuration.groups,
      epsilon: AutoencoderMiddle.epsilon, silu: true)
    leave = try Convolution(
      decoder["conv_out"].layers(in: .f32), inputs: last, outputs: configuration.imageChannels,
      shape: ConvolutionShape(kernel: 3))
  }

  package var byteCount: Int {
    (postQuant?.byteCount ?? 0) + enter.byteCount + middle.byteCount + lastNorm.byteCount
      + leave.byteCount
      + levels.reduce(0) { sum, level in
        sum + level.blocks.reduce(0) { $0 + $1.byteCount } + (level.upsample?.byteCount ?? 0)
      }
  }

  /// `[batch, height, width, latent]` as the UNet works on them, to
  /// `[batch, height·f, width·f, 3]`, −1…1 where the picture is in range.
  /// - Parameter undoingNormalization: as SDXL pipelines do it.
  /// - Throws: what reading weights throws.
  package func callAsFunction(
    _ latents: Tensor, undoingNormalization: Bool = false, _ pass: ForwardPass
  ) throws -> Tensor {
    try toPixels(atLatentSize(latents, undoingNormalization: undoingNormalization, pass), pass)
  }

  package var canTile: Bool { true }

  /// What sees the whole picture: post-quantization, the first convolution and the middle.
  package func atLatentSize(_ latents: Tensor, undoingNormalization: Bool, _ pass: ForwardPass) throws
    -> Tensor
  {
    let compute = pass.compute
    let factor = configuration.scalingFactor
    let normalization = undoingNormalization ? configuration.normalization : nil
    let channels = configuration.latentChannels
    let unscaled = compute.tensor(shape: latents.shape) { result in
      latents.withUnsafe { latents in
        for index in latents.indices {
          let channel = index % channels
          result[index] =
            normalization.map { latents[index] * $0.deviation[channel] / factor + $0.mean[channel] }
            ?? latents[index] / factor
        }
      }
    }
    return try middle(enter(postQuant?(unscaled, compute) ?? unscaled, compute), pass)
  }

  /// The levels, up to pixels.
  package func toPixels(_ features: Tensor, _ pass: ForwardPass) throws -> Tensor {
    let compute = pass.compute
    var x = features
    for level in levels {
      for block in level.blocks { x = try block(x, pass) }
      if let upsample = level.upsample {
        let size = (2 * x.shape[1], 2 * x.shape[2])
        x = try upsample(pass) { $0(x, enlargedTo: size, compute) }
      }
    }
    return leave(lastNorm(x, compute), compute)
  }
}

/// Two residual blocks around one-headed attention, at the smallest feature map
/// (diffusers' `UNetMidBlock2D`).
struct AutoencoderMiddle: Sendable {
  /// What diffusers adds to variances in autoencoders.
  static let epsilon: Float = 1e-6

  private let first: ResidualBlock
  private let attention: CachedPart<AutoencoderAttention>?
  private let second: ResidualBlock

  init(_ weights: Weights, width: Int, _ configuration: AutoencoderConfiguration, home: PartHome) throws {
    func residual(_ index: Int) throws -> ResidualBlock {
      try ResidualBlock(
        weights["resnets"][index], inputs: width, outputs: width, timeWidth: nil,
        groups: configuration.groups, epsilon: Self.epsilon, home: home)
    }
    first = try residual(0)
    attention =
      configuration.middleAttention
      ? try CachedPart(weights["attentions"][0], in: home) {
        try AutoencoderAttention($0, width: width, groups: configuration.groups)
      } : nil
    second = try residual(1)
  }

  var byteCount: Int { first.byteCount + (attention?.byteCount ?? 0) + second.byteCount }

  func callAsFunction(_ input: Tensor, _ pass: ForwardPass) throws -> Tensor {
    var x = try first(input, pass)
    if let attention { x = try attention(pass) { $0(x, pass.compute) } }
    return try second(x, pass)
  }
}

/// Attention of every position to every other, added to the input.
struct AutoencoderAttention: Weighted {
  private let norm: GroupNorm
  private let query: Linear
  private let key: Linear
  private let value: Linear
  private let output: Linear
  private let precision: Precision

  /// Old checkpoints call the projections `query`, `key`, `value` and `proj_attn`.
  init(_ weights: Weights, width: Int, groups: Int) throws {
    let old = weights.has("query.weight")
    func linear(_ name: String, _ oldName: String) throws -> Linear {
      try Linear(weights[old ? oldName : name], inputs: width, outputs: width)
    }
    norm = try GroupNorm(
      weights["group_norm"], channels: width, groups: groups, epsilon: AutoencoderMiddle.epsilon,
      silu: false)
    query = try linear("to_q", "query")
    key = try linear("to_k", "key")
    value = try linear("to_v", "value")
    output = try linear("to_out.0", "proj_attn")
    precision = weights.precision
  }

  func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {
    norm.withWeights(body)
    for layer in [query, key, value, output] { layer.withWeights(body) }
  }

  var byteCount: Int {
    norm.byteCount + query.byteCount + key.byteCount + value.byteCount + output.byteCount
  }

  func callAsFunction(_ x: Tensor, _ compute: Compute) -> Tensor {
    let tokens = norm(x, compute).reshaped([x.shape[0], x.shape[1] * x.shape[2], x.shape[3]])
    let attended = compute.attention(
      query: query(tokens, compute), key: key(tokens, compute), value: value(tokens, compute),
      heads: 1, precision: precision)
    var result = output(attended, compute).reshaped(x.shape)
    compute.accumulate(x, into: &result)
    return result
  }
}
