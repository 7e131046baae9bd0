import Checkpoints
import Layers
import Requests
import Tensors
import WeightCache

/// Two residual blocks around one-headed attention, at the smallest feature map
/// (diffusers' `UNetMidBlock2D`).
struct AutoencoderMidBlock: Sendable {
  /// What diffusers adds to the variance in an autoencoder's group normalization.
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
    second = try residual(1)
    attention =
      configuration.middleAttention
      ? try CachedPart(weights["attentions"][0], in: home) {
        try AutoencoderAttention($0, width: width, groups: configuration.groups)
      } : nil
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
      weights["group_norm"], channels: width, groups: groups, epsilon: AutoencoderMidBlock.epsilon,
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

  var settings: [String] {
    norm.settings + [query, key, value, output].flatMap(\.settings) + ["\(precision)"]
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
