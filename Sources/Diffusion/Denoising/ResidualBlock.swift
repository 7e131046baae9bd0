import Checkpoints
import Layers
import Tensors
import WeightCache

/// Two normalized convolutions and a shortcut, with the time embedding added between them
/// (diffusers' `ResnetBlock2D`). An autoencoder's blocks have no time embedding.
///
/// The blocks of a UNet's lowest levels are its largest layers. Each is split in two parts, so that only half of it
/// has to be in memory at a time.
struct ResidualBlock: Sendable {
  private let first: CachedPart<FirstHalf>
  private let second: CachedPart<SecondHalf>

  /// Everything up to the first convolution.
  private struct FirstHalf: Weighted {
    let norm: GroupNorm
    let convolution: Convolution
    let timeProjection: Linear?

    var byteCount: Int { norm.byteCount + convolution.byteCount + (timeProjection?.byteCount ?? 0) }
    var settings: [String] { norm.settings + convolution.settings + (timeProjection?.settings ?? []) }

    func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {
      norm.withWeights(body)
      convolution.withWeights(body)
      timeProjection?.withWeights(body)
    }
  }

  /// Everything after the first convolution, up to the sum with the shortcut.
  private struct SecondHalf: Weighted {
    let norm: GroupNorm
    let convolution: Convolution
    let shortcut: Linear?

    var byteCount: Int { norm.byteCount + convolution.byteCount + (shortcut?.byteCount ?? 0) }
    var settings: [String] { norm.settings + convolution.settings + (shortcut?.settings ?? []) }

    func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {
      norm.withWeights(body)
      convolution.withWeights(body)
      shortcut?.withWeights(body)
    }
  }

  /// - Parameters:
  ///   - weights: the network's tensors.
  ///   - inputs: channels of the input.
  ///   - outputs: channels of the output.
  ///   - timeWidth: channels of the time embedding, nil if there is none.
  ///   - groups: the groups of group normalization.
  ///   - epsilon: added to the variance of group normalization.
  ///   - home: where the weights are kept.
  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  init(
    _ weights: Weights, inputs: Int, outputs: Int, timeWidth: Int?, groups: Int, epsilon: Float,
    home: PartHome
  ) throws {
    first = try CachedPart(weights, part: "conv1", in: home) { weights in
      FirstHalf(
        norm: try GroupNorm(weights["norm1"], channels: inputs, groups: groups, epsilon: epsilon, silu: true),
        convolution: try Convolution(
          weights["conv1"], inputs: inputs, outputs: outputs, shape: ConvolutionShape(kernel: 3)),
        timeProjection: try timeWidth.map {
          try Linear(weights["time_emb_proj"].layers(in: .f32), inputs: $0, outputs: outputs)
        })
    }
    second = try CachedPart(weights, part: "conv2", in: home) { weights in
      SecondHalf(
        norm: try GroupNorm(
          weights["norm2"], channels: outputs, groups: groups, epsilon: epsilon, silu: true),
        convolution: try Convolution(
          weights["conv2"], inputs: outputs, outputs: outputs, shape: ConvolutionShape(kernel: 3)),
        shortcut: inputs == outputs
          ? nil
          : try Linear(
            weights["conv_shortcut"].layers(in: weights.precision.ofShortcuts), inputs: inputs,
            outputs: outputs, pointwise: true))
    }
  }

  /// Bytes of all weights.
  var byteCount: Int { first.byteCount + second.byteCount }

  /// `[batch, height, width, in]` to `[batch, height, width, out]`.
  /// - Parameters:
  ///   - x: `[batch, height, width, in]`.
  ///   - time: SiLU of the time embedding, `[batch, timeWidth]`.
  ///   - pass: where it is computed, and the cache of its weights.
  /// - Throws: what reading weights throws.
  func callAsFunction(_ x: Tensor, time: Tensor? = nil, _ pass: ForwardPass) throws -> Tensor {
    let compute = pass.compute
    let hidden = try first(pass) { half in
      let rows = time.flatMap { time in half.timeProjection.map { $0(time, compute) } }
      return half.convolution(x, after: half.norm, rows: rows, compute)
    }
    return try second(pass) { half in
      half.convolution(hidden, after: half.norm, adding: half.shortcut?(x, compute) ?? x, compute)
    }
  }
}
