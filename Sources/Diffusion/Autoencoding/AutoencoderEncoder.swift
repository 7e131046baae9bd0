import Checkpoints
import Layers
import Tensors
import WeightCache

/// Pixels to a distribution of latents (the encoder half of diffusers' `AutoencoderKL`).
struct AutoencoderEncoder: LatentEncoder {
  private let configuration: AutoencoderConfiguration
  private let convIn: Convolution
  private let levels: [Level]
  private let midBlock: AutoencoderMidBlock
  private let convNormOut: GroupNorm
  private let convOut: Convolution
  private let quantConv: Linear?

  /// The layers at one feature-map size.
  private struct Level: Sendable {
    let blocks: [ResidualBlock]
    let downsample: CachedPart<Convolution>?
  }

  /// - Parameters:
  ///   - weights: the network's tensors.
  ///   - configuration: the shape of the network.
  ///   - home: where the weights are kept.
  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  init(_ weights: Weights, _ configuration: AutoencoderConfiguration, home: PartHome) throws {
    self.configuration = configuration
    let widths = configuration.widths
    let encoder = weights["encoder"]
    convIn = try Convolution(
      encoder["conv_in"].layers(in: .f32), inputs: configuration.imageChannels, outputs: widths[0],
      shape: ConvolutionShape(kernel: 3))
    levels = try widths.indices.map { index in
      let scope = encoder["down_blocks"][index]
      let width = widths[index]
      return Level(
        blocks: try (0..<configuration.layers).map { layer in
          try ResidualBlock(
            scope["resnets"][layer], inputs: layer == 0 ? widths[max(0, index - 1)] : width, outputs: width,
            timeWidth: nil, groups: configuration.groups, epsilon: AutoencoderMidBlock.epsilon, home: home)
        },
        downsample: index == widths.count - 1
          ? nil
          : try CachedPart(scope["downsamplers.0.conv"], in: home) {
            // diffusers pads these with one row and one column of zeros, at the bottom and right only.
            try Convolution(
              $0, inputs: width, outputs: width,
              shape: ConvolutionShape(kernel: 3, stride: 2, padding: (0, 1)))
          })
    }
    let last = widths[widths.count - 1]
    midBlock = try AutoencoderMidBlock(encoder["mid_block"], width: last, configuration, home: home)
    convNormOut = try GroupNorm(
      encoder["conv_norm_out"], channels: last, groups: configuration.groups,
      epsilon: AutoencoderMidBlock.epsilon, silu: true)
    let moments = 2 * configuration.latentChannels
    convOut = try Convolution(
      encoder["conv_out"].layers(in: .f32), inputs: last, outputs: moments,
      shape: ConvolutionShape(kernel: 3))
    quantConv =
      configuration.usesQuantConvolution
      ? try Linear(
        weights["quant_conv"].layers(in: .f32), inputs: moments, outputs: moments, pointwise: true) : nil
  }

  var latentChannels: Int { configuration.latentChannels }
  var scalingFactor: Float { configuration.scalingFactor }
  var normalization: LatentNormalization? { configuration.normalization }

  /// Encodes pixels to twice the latent channels: means first, then logarithms of variances.
  func callAsFunction(_ pixels: Tensor, _ pass: ForwardPass) throws -> Tensor {
    let compute = pass.compute
    var x = convIn(pixels, compute)
    for level in levels {
      for block in level.blocks { x = try block(x, pass) }
      if let downsample = level.downsample { x = try downsample(pass) { $0(x, compute) } }
    }
    x = convOut(try midBlock(x, pass), after: convNormOut, compute)
    return quantConv?(x, compute) ?? x
  }
}
