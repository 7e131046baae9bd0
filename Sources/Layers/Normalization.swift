import Checkpoints
import Tensors

/// Normalization over positions and the channels of a group, optionally followed by SiLU
/// (torch's `nn.GroupNorm`).
package struct GroupNorm: Layer {
  private let weight: Tensor
  private let bias: Tensor
  private let groups: Int
  private let epsilon: Float
  private let silu: Bool

  /// Reads `weight` and `bias`, `[channels]` each.
  /// - Throws: `CheckpointError` if one is missing or has another shape, or if `groups` does not
  ///   divide `channels`.
  package init(_ weights: Weights, channels: Int, groups: Int, epsilon: Float, silu: Bool) throws {
    guard groups > 0, channels % groups == 0 else {
      throw LayerError.groupsDoNotDivide(layer: weights.name, channels: channels, groups: groups)
    }
    weight = try weights.tensor("weight", shape: [channels])
    bias = try weights.tensor("bias", shape: [channels])
    self.groups = groups
    self.epsilon = epsilon
    self.silu = silu
  }

  package var byteCount: Int { weight.byteCount + bias.byteCount }

  /// Weight and bias.
  package func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {
    weight.withBytes(body)
    bias.withBytes(body)
  }

  /// Groups, epsilon, and whether SiLU follows.
  package var settings: [String] { ["\(groups)", "\(epsilon)", "\(silu)"] }

  /// `[batch, …, channel]`, shape kept.
  package func callAsFunction(_ x: Tensor, _ compute: Compute) -> Tensor {
    compute.groupNorm(x, groups: groups, weight: weight, bias: bias, epsilon: epsilon, silu: silu)
  }

  /// What it does to each channel of `x`, for a layer that does it as it reads `x`.
  func affine(of x: Tensor, _ compute: Compute) -> ChannelAffine {
    compute.groupAffine(x, groups: groups, weight: weight, bias: bias, epsilon: epsilon, silu: silu)
  }
}

/// Normalization of each row (torch's `nn.LayerNorm`).
package struct LayerNorm: Layer {
  private let weight: Tensor
  private let bias: Tensor
  private let epsilon: Float

  /// Reads `weight` and `bias`, `[channels]` each.
  /// - Throws: `CheckpointError` if one is missing or has another shape.
  package init(_ weights: Weights, channels: Int, epsilon: Float = 1e-5) throws {
    weight = try weights.tensor("weight", shape: [channels])
    bias = try weights.tensor("bias", shape: [channels])
    self.epsilon = epsilon
  }

  package var byteCount: Int { weight.byteCount + bias.byteCount }

  /// Weight and bias.
  package func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {
    weight.withBytes(body)
    bias.withBytes(body)
  }

  /// Epsilon.
  package var settings: [String] { ["\(epsilon)"] }

  /// `[…, channel]`, shape kept.
  package func callAsFunction(_ x: Tensor, _ compute: Compute) -> Tensor {
    compute.layerNorm(x, weight: weight, bias: bias, epsilon: epsilon)
  }
}
