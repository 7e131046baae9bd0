import Checkpoints
import Layers
import Requests
import Tensors
import WeightCache

/// Latents to pixels (the decoder half of diffusers' `AutoencoderKL`).
struct AutoencoderDecoder: LatentDecoder {
  let configuration: AutoencoderConfiguration
  private let postQuantConv: Linear?
  private let convIn: Convolution
  private let midBlock: AutoencoderMidBlock
  private let levels: [Level]
  private let convNormOut: GroupNorm
  private let convOut: Convolution

  /// The layers at one feature-map size.
  private struct Level: Sendable {
    let blocks: [ResidualBlock]
    let upsample: CachedPart<Convolution>?
  }

  /// - Parameters:
  ///   - weights: the network's tensors.
  ///   - configuration: the shape of the network.
  ///   - home: where the weights are kept.
  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  init(_ weights: Weights, _ configuration: AutoencoderConfiguration, home: PartHome) throws {
    self.configuration = configuration
    let widths = Array(configuration.widths.reversed())
    let latent = configuration.latentChannels
    let decoder = weights["decoder"]
    postQuantConv =
      configuration.usesPostQuantConvolution
      ? try Linear(
        weights["post_quant_conv"].layers(in: .f32), inputs: latent, outputs: latent, pointwise: true) : nil
    convIn = try Convolution(
      decoder["conv_in"].layers(in: .f32), inputs: latent, outputs: widths[0],
      shape: ConvolutionShape(kernel: 3))
    midBlock = try AutoencoderMidBlock(decoder["mid_block"], width: widths[0], configuration, home: home)
    levels = try widths.indices.map { index in
      let scope = decoder["up_blocks"][index]
      let blocks = try (0...configuration.layers).map { layer in
        try ResidualBlock(
          scope["resnets"][layer], inputs: layer == 0 ? widths[max(0, index - 1)] : widths[index],
          outputs: widths[index], timeWidth: nil, groups: configuration.groups,
          epsilon: AutoencoderMidBlock.epsilon, home: home)
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
    convNormOut = try GroupNorm(
      decoder["conv_norm_out"], channels: last, groups: configuration.groups,
      epsilon: AutoencoderMidBlock.epsilon, silu: true)
    convOut = try Convolution(
      decoder["conv_out"].layers(in: .f32), inputs: last, outputs: configuration.imageChannels,
      shape: ConvolutionShape(kernel: 3))
  }

  var latentChannels: Int { configuration.latentChannels }
  var pixelsPerLatent: Int { configuration.pixelsPerLatent }

  var byteCount: Int {
    (postQuantConv?.byteCount ?? 0) + convIn.byteCount + midBlock.byteCount + convNormOut.byteCount
      + convOut.byteCount
      + levels.reduce(0) { sum, level in
        sum + level.blocks.reduce(0) { $0 + $1.byteCount } + (level.upsample?.byteCount ?? 0)
      }
  }

  /// Decodes latents at the UNet's scale, `[batch, height, width, latent]`, to pixels,
  /// `[batch, height·f, width·f, 3]`. Values in range are −1…1.
  /// - Parameters:
  ///   - latents: at the UNet's scale.
  ///   - undoingNormalization: whether `LatentNormalization` is undone first, as SDXL pipelines do.
  ///   - pass: where it is computed.
  /// - Throws: what reading weights throws.
  func callAsFunction(
    _ latents: Tensor, undoingNormalization: Bool = false, _ pass: ForwardPass
  ) throws -> Tensor {
    try toPixels(atLatentSize(latents, undoingNormalization: undoingNormalization, pass), pass)
  }

  var canTile: Bool { true }

  /// The layers at the latents' own size, whose attention needs the whole picture: post-quantization, the first
  /// convolution and the middle block.
  func atLatentSize(_ latents: Tensor, undoingNormalization: Bool, _ pass: ForwardPass) throws
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
    return try midBlock(convIn(postQuantConv?(unscaled, compute) ?? unscaled, compute), pass)
  }

  /// The layers that enlarge the picture, up to pixels.
  func toPixels(_ features: Tensor, _ pass: ForwardPass) throws -> Tensor {
    let compute = pass.compute
    var x = features
    for level in levels {
      for block in level.blocks { x = try block(x, pass) }
      if let upsample = level.upsample {
        let size = (2 * x.shape[1], 2 * x.shape[2])
        x = try upsample(pass) { $0(x, enlargedTo: size, compute) }
      }
    }
    return convOut(x, after: convNormOut, compute)
  }
}
