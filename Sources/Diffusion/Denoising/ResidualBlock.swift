import Checkpoints
import Layers
import Tensors

/// Two normalized convolutions and a shortcut, with the time embedding added between them
/// (diffusers' `ResnetBlock2D`). The autoencoder's have no time embedding.
package struct ResidualBlock: Weighted {
  private let norm1: GroupNorm
  private let convolution1: Convolution
  private let timeProjection: Linear?
  private let norm2: GroupNorm
  private let convolution2: Convolution
  private let shortcut: Linear?

  /// - Parameter timeWidth: channels of the time embedding, nil if there is none.
  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  package init(
    _ weights: Weights, inputs: Int, outputs: Int, timeWidth: Int?, groups: Int, epsilon: Float
  ) throws {
    norm1 = try GroupNorm(
      weights["norm1"], channels: inputs, groups: groups, epsilon: epsilon, silu: true)
    convolution1 = try Convolution(
      weights["conv1"], inputs: inputs, outputs: outputs, shape: ConvolutionShape(kernel: 3))
    timeProjection = try timeWidth.map {
      try Linear(weights["time_emb_proj"].layers(in: .f32), inputs: $0, outputs: outputs)
    }
    norm2 = try GroupNorm(
      weights["norm2"], channels: outputs, groups: groups, epsilon: epsilon, silu: true)
    convolution2 = try Convolution(
      weights["conv2"], inputs: outputs, outputs: outputs, shape: ConvolutionShape(kernel: 3))
    shortcut =
      inputs == outputs
      ? nil
      : try Linear(weights["conv_shortcut"], inputs: inputs, outputs: outputs, pointwise: true)
  }

  package var byteCount: Int {
    norm1.byteCount + convolution1.byteCount + (timeProjection?.byteCount ?? 0) + norm2.byteCount
      + convolution2.byteCount + (shortcut?.byteCount ?? 0)
  }

  /// `[batch, height, width, in]` to `[batch, height, width, out]`.
  /// - Parameter time: SiLU of the time embedding, `[batch, timeWidth]`.
  package func callAsFunction(_ x: Tensor, time: Tensor? = nil, _ compute: Compute) -> Tensor {
    let rows = time.flatMap { time in timeProjection.map { $0(time, compute) } }
    let hidden = convolution1(norm1(x, compute), rows: rows, compute)
    return convolution2(norm2(hidden, compute), adding: shortcut?(x, compute) ?? x, compute)
  }
}
