import Checkpoints
import Foundation
import Layers
import Tensors
import WeightCache

/// Latents to pixels by a few plain convolutions (the decoder half of diffusers' `AutoencoderTiny`). It takes about a
/// hundredth of the full decoder's work.
package struct TinyDecoder: LatentDecoder, Weighted {
  package let configuration: AutoencoderTinyConfiguration
  private let convIn: Convolution
  private let stages: [Stage]
  private let convOut: Convolution

  /// Blocks at one size, then an enlargement and the convolution `resize`; nil in the last stage, which enlarges
  /// nothing.
  private struct Stage: Sendable {
    let blocks: [TinyBlock]
    let resize: Convolution?
  }

  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  package init(_ weights: Weights, _ configuration: AutoencoderTinyConfiguration) throws {
    self.configuration = configuration
    let layers = weights["decoder.layers"]
    let width = configuration.decoder.width
    let counts = configuration.decoder.blocks
    let kernel = ConvolutionShape(kernel: 3)
    convIn = try Convolution(
      layers[0].layers(in: .f32), inputs: configuration.latentChannels, outputs: width, shape: kernel)
    // Numbered as in torch's nn.Sequential, where activations and enlargements count as well.
    var number = 2
    var stages: [Stage] = []
    for (index, count) in counts.enumerated() {
      let blocks = try (0..<count).map { try TinyBlock(layers[number + $0], width: width) }
      number += count
      let isLast = index == counts.count - 1
      let resize =
        isLast
        ? nil
        : try Convolution(layers[number + 1], inputs: width, outputs: width, shape: kernel, bias: false)
      if !isLast { number += 2 }
      stages.append(Stage(blocks: blocks, resize: resize))
    }
    self.stages = stages
    convOut = try Convolution(
      layers[number].layers(in: .f32), inputs: width, outputs: configuration.imageChannels, shape: kernel)
  }

  package var latentChannels: Int { configuration.latentChannels }

  package var pixelsPerLatent: Int { configuration.pixelsPerLatent }

  package var byteCount: Int {
    stages.reduce(convIn.byteCount + convOut.byteCount) { sum, stage in
      sum + stage.blocks.reduce(0) { $0 + $1.byteCount } + (stage.resize?.byteCount ?? 0)
    }
  }

  /// Weights and biases of all convolutions.
  package func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {
    convIn.withWeights(body)
    for stage in stages {
      for block in stage.blocks { block.withWeights(body) }
      stage.resize?.withWeights(body)
    }
    convOut.withWeights(body)
  }

  /// The configuration: activation, scaling factor, blocks.
  package var settings: [String] { ["\(configuration)"] }

  /// False: it needs so little memory that tiles would gain nothing.
  package var canTile: Bool { false }

  /// The latents unchanged: this decoder has no layers of that size alone.
  package func atLatentSize(_ latents: Tensor, undoingNormalization: Bool, _ pass: ForwardPass) -> Tensor {
    latents
  }

  /// The whole decoder.
  package func toPixels(_ features: Tensor, _ pass: ForwardPass) -> Tensor { self(features, pass) }

  /// Decodes latents. `AutoencoderTiny` has no normalization of channels, so `undoingNormalization` changes nothing.
  package func callAsFunction(
    _ latents: Tensor, undoingNormalization: Bool = false, _ pass: ForwardPass
  ) -> Tensor {
    let compute = pass.compute
    let factor = configuration.scalingFactor
    // It was trained on latents squashed into ±3 by 3·tanh(x/3).
    let held = compute.tensor(shape: latents.shape) { result in
      latents.withUnsafe {
        for index in $0.indices { result[index] = tanh($0[index] / factor / 3) * 3 }
      }
    }
    let activation = configuration.activation
    var x = convIn(held, activation: activation, compute)
    for stage in stages {
      for block in stage.blocks { x = block(x, activation, compute) }
      if let resize = stage.resize {
        x = resize(x, enlargedTo: (2 * x.shape[1], 2 * x.shape[2]), compute)
      }
    }
    let picture = convOut(x, compute)
    return compute.tensor(shape: picture.shape) { result in
      picture.withUnsafe { for index in $0.indices { result[index] = $0[index] * 2 - 1 } }
    }
  }
}

/// Three convolutions, added to their input (diffusers' `AutoencoderTinyBlock` with equal widths).
struct TinyBlock: Sendable {
  private let first: Convolution
  private let second: Convolution
  private let third: Convolution

  init(_ weights: Weights, width: Int) throws {
    func convolution(_ number: Int) throws -> Convolution {
      try Convolution(
        weights["conv"][number], inputs: width, outputs: width, shape: ConvolutionShape(kernel: 3))
    }
    first = try convolution(0)
    second = try convolution(2)
    third = try convolution(4)
  }

  var byteCount: Int { first.byteCount + second.byteCount + third.byteCount }

  func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {
    for convolution in [first, second, third] { convolution.withWeights(body) }
  }

  func callAsFunction(_ x: Tensor, _ activation: Compute.Activation, _ compute: Compute) -> Tensor {
    let y = second(first(x, activation: activation, compute), activation: activation, compute)
    return compute.activate(third(y, adding: x, compute), .relu)
  }
}
