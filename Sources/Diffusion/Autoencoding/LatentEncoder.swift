import Checkpoints
import Experts
import Layers
import Tensors

/// What turns pixels into latents: the encoder of an autoencoder of either kind.
package protocol LatentEncoder: Sendable {
  /// Channels of what `callAsFunction` gives that are the latents' mean; the rest is the logarithm of their
  /// variance.
  var latentChannels: Int { get }
  /// Latents are multiplied by this for the UNet.
  var scalingFactor: Float { get }
  /// What SDXL's img2img takes out of each channel as well; nil: nothing.
  var normalization: LatentNormalization? { get }
  /// `[1, height, width, 3]`, −1…1, to `[1, height/f, width/f, latent]`, or twice the channels where the
  /// latents are drawn: means, then logarithms of variances.
  /// - Throws: what reading weights throws.
  func callAsFunction(_ pixels: Tensor, _ pass: ForwardPass) throws -> Tensor
}

/// Pixels to a distribution of latents (the encoder half of diffusers' `AutoencoderKL`).
package struct AutoencoderEncoder: LatentEncoder {
  private let configuration: AutoencoderConfiguration
  private let enter: Convolution
  private let levels: [Level]
  private let middle: AutoencoderMiddle
  private let lastNorm: GroupNorm
  private let leave: Convolution
  private let quant: Linear?

  /// A level of equal feature-map size.
  private struct Level: Sendable {
    let blocks: [ResidualBlock]
    let downsample: CachedPart<Convolution>?
  }

  /// - Parameter home: where the weights are kept.
  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  package init(_ weights: Weights, _ configuration: AutoencoderConfiguration, home: PartHome) throws {
    self.configuration = configuration
    let widths = configuration.widths
    let encoder = weights["encoder"]
    enter = try Convolution(
      encoder["conv_in"].layers(in: .f32), inputs: configuration.imageChannels, outputs: widths[0],
      shape: ConvolutionShape(kernel: 3))
    levels = try widths.indices.map { index in
      let scope = encoder["down_blocks"][index]
      let width = widths[index]
      return Level(
        blocks: try (0..<configuration.layers).map { layer in
          try ResidualBlock(
            scope["resnets"][layer], inputs: layer == 0 ? widths[max(0, index - 1)] : width, outputs: width,
            timeWidth: nil, groups: configuration.groups, epsilon: AutoencoderMiddle.epsilon, home: home)
        },
        downsample: index == widths.count - 1
          ? nil
          : try CachedPart(scope["downsamplers.0.conv"], in: home) {
            // One row and column of zeros, at the end only.
            try Convolution(
              $0, inputs: width, outputs: width,
              shape: ConvolutionShape(kernel: 3, stride: 2, padding: (0, 1)))
          })
    }
    let last = widths[widths.count - 1]
    middle = try AutoencoderMiddle(encoder["mid_block"], width: last, configuration, home: home)
    lastNorm = try GroupNorm(
      encoder["conv_norm_out"], channels: last, groups: configuration.groups,
      epsilon: AutoencoderMiddle.epsilon, silu: true)
    let moments = 2 * configuration.latentChannels
    leave = try Convolution(
      encoder["conv_out"].layers(in: .f32), inputs: last, outputs: moments,
      shape: ConvolutionShape(kernel: 3))
    quant =
      configuration.usesQuantConvolution
      ? try Linear(
        weights["quant_conv"].layers(in: .f32), inputs: moments, outputs: moments, pointwise: true) : nil
  }

  package var latentChannels: Int { configuration.latentChannels }
  package var scalingFactor: Float { configuration.scalingFactor }
  package var normalization: LatentNormalization? { configuration.normalization }

  /// Means, then logarithms of variances.
  package func callAsFunction(_ pixels: Tensor, _ pass: ForwardPass) throws -> Tensor {
    let compute = pass.compute
    var x = enter(pixels, compute)
    for level in levels {
      for block in level.blocks { x = try block(x, pass) }
      if let downsample = level.downsample { x = try downsample(pass) { $0(x, compute) } }
    }
    x = leave(lastNorm(try middle(x, pass), compute), compute)
    return quant?(x, compute) ?? x
  }
}

extension DiffusionModel {
  /// The encoder of the kind that a configuration names; nil if the VAE has none.
  /// - Throws: `CheckpointError` for missing or misshapen tensors, `DiffusionError.unsupported` for
  ///   another kind.
  static func encoder(_ weights: Weights, _ config: ConfigObject, home: PartHome) throws
    -> (any LatentEncoder)?
  {
    if try config.stringIfPresent("_class_name") == AutoencoderTinyConfiguration.className {
      guard !weights["encoder"].isEmpty else { return nil }
      return try TinyEncoder(weights, AutoencoderTinyConfiguration(config))
    }
    guard !weights["encoder"].isEmpty else { return nil }
    return try AutoencoderEncoder(weights, AutoencoderConfiguration(config), home: home)
  }
}
