import Checkpoints
import Layers
import Tensors
import WeightCache

/// Pixels to latents by a few plain convolutions (the encoder half of diffusers' `AutoencoderTiny`).
struct TinyEncoder: LatentEncoder {
  private let configuration: AutoencoderTinyConfiguration
  private let stages: [Stage]
  private let convOut: Convolution

  /// A convolution and the blocks after it. In every stage but the first, the convolution halves the size.
  private struct Stage: Sendable {
    let convIn: Convolution
    let blocks: [TinyBlock]
  }

  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  init(_ weights: Weights, _ configuration: AutoencoderTinyConfiguration) throws {
    self.configuration = configuration
    let layers = weights["encoder.layers"]
    let width = configuration.encoder.width
    // Numbered as in torch's nn.Sequential.
    var number = 0
    stages = try configuration.encoder.blocks.enumerated().map { index, count in
      let convIn =
        index == 0
        ? try Convolution(
          layers[number].layers(in: .f32), inputs: configuration.imageChannels, outputs: width,
          shape: ConvolutionShape(kernel: 3))
        : try Convolution(
          layers[number], inputs: width, outputs: width, shape: ConvolutionShape(kernel: 3, stride: 2),
          bias: false)
      let blocks = try (0..<count).map { try TinyBlock(layers[number + 1 + $0], width: width) }
      number += 1 + count
      return Stage(convIn: convIn, blocks: blocks)
    }
    convOut = try Convolution(
      layers[number].layers(in: .f32), inputs: width, outputs: configuration.latentChannels,
      shape: ConvolutionShape(kernel: 3))
  }

  var latentChannels: Int { configuration.latentChannels }
  var scalingFactor: Float { configuration.scalingFactor }
  var normalization: LatentNormalization? { nil }

  /// Encodes pixels to the latents themselves. They are not random, so there is no variance.
  func callAsFunction(_ pixels: Tensor, _ pass: ForwardPass) throws -> Tensor {
    let compute = pass.compute
    // It was trained on pixels in 0…1.
    var x = compute.tensor(shape: pixels.shape) { result in
      pixels.withUnsafe { for index in $0.indices { result[index] = ($0[index] + 1) / 2 } }
    }
    for stage in stages {
      x = stage.convIn(x, compute)
      for block in stage.blocks { x = block(x, configuration.activation, compute) }
    }
    return convOut(x, compute)
  }
}
