import Checkpoints
import Layers
import Tensors
import WeightCache

/// Causal self attention, then a two-layer network. Each works on a normalized input, and its result is added to the
/// input (transformers' `CLIPEncoderLayer`).
struct CLIPTextLayer: Weighted {
  private let norm1: LayerNorm
  private let query: Linear
  private let key: Linear
  private let value: Linear
  private let output: Linear
  private let norm2: LayerNorm
  private let expand: Linear
  private let contract: Linear
  private let heads: Int
  private let activation: Compute.Activation

  init(_ weights: Weights, _ configuration: CLIPTextConfiguration) throws {
    let width = configuration.width
    guard width % configuration.heads == 0 else {
      throw LayerError.headsDoNotDivide(
        layer: weights.name, channels: width, heads: configuration.heads)
    }
    norm1 = try LayerNorm(weights["layer_norm1"], channels: width, epsilon: configuration.epsilon)
    query = try Linear(weights["self_attn.q_proj"], inputs: width, outputs: width)
    key = try Linear(weights["self_attn.k_proj"], inputs: width, outputs: width)
    value = try Linear(weights["self_attn.v_proj"], inputs: width, outputs: width)
    output = try Linear(weights["self_attn.out_proj"], inputs: width, outputs: width)
    norm2 = try LayerNorm(weights["layer_norm2"], channels: width, epsilon: configuration.epsilon)
    expand = try Linear(weights["mlp.fc1"], inputs: width, outputs: configuration.innerWidth)
    contract = try Linear(weights["mlp.fc2"], inputs: configuration.innerWidth, outputs: width)
    heads = configuration.heads
    activation = configuration.activation
  }

  func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {
    norm1.withWeights(body)
    norm2.withWeights(body)
    for layer in [query, key, value, output, expand, contract] { layer.withWeights(body) }
  }

  var settings: [String] {
    norm1.settings + norm2.settings + [query, key, value, output, expand, contract].flatMap(\.settings)
      + ["\(heads)", "\(activation)"]
  }

  var byteCount: Int {
    [query, key, value, output, expand, contract].reduce(norm1.byteCount + norm2.byteCount) {
      $0 + $1.byteCount
    }
  }

  func callAsFunction(_ input: Tensor, _ compute: Compute) -> Tensor {
    var x = input
    let normed = norm1(x, compute)
    let attended = compute.attention(
      query: query(normed, compute), key: key(normed, compute), value: value(normed, compute),
      heads: heads, causal: true)
    compute.accumulate(output(attended, compute), into: &x)
    let inner = compute.activate(expand(norm2(x, compute), compute), activation)
    compute.accumulate(contract(inner, compute), into: &x)
    return x
  }
}
