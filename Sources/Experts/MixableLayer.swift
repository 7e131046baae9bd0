import Checkpoints
import Layers
import Tensors

/// How a UNet's layers were replaced by mixtures (`segmoe_config` in `unet/config.json`).
package struct MixtureConfiguration: Sendable, Equatable {
  /// Which layers of a transformer block are mixtures.
  package enum Layers: String, Sendable, CaseIterable, Codable {
    /// Query, key and value projections.
    case attention = "attn"
    /// The feed-forward network.
    case feedForward = "ff"
    /// Both.
    case all
  }

  package let experts: Int
  package let expertsPerCall: Int
  package let layers: Layers
  /// Indices of the down blocks and up blocks whose transformer blocks hold mixtures.
  package let downBlocks: Range<Int>
  package let upBlocks: Range<Int>

  package init(
    experts: Int, expertsPerCall: Int, layers: Layers, downBlocks: Range<Int>, upBlocks: Range<Int>
  ) {
    self.experts = experts
    self.expertsPerCall = expertsPerCall
    self.layers = layers
    self.downBlocks = downBlocks
    self.upBlocks = upBlocks
  }
}

/// A layer that a merge may have replaced by a mixture of its kind.
package enum MixableLayer<Plain: Layer>: Sendable {
  case dense(CachedPart<Plain>, path: String)
  case sparse(SparseLayer<Plain>, path: String)

  /// Builds the layer at `weights`: a mixture if `mixture` is given, else the plain layer.
  /// - Parameter load: makes a plain layer from its scope.
  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  package init(
    _ weights: Weights, inputs: Int, outputs: Int, mixture: MixtureConfiguration?, home: PartHome,
    load: @escaping @Sendable (Weights) throws -> Plain
  ) throws {
    if let mixture {
      self = .sparse(
        try SparseLayer(
          weights, inputs: inputs, outputs: outputs, experts: mixture.experts,
          expertsPerCall: mixture.expertsPerCall, home: home, load: load),
        path: weights.name)
    } else {
      self = .dense(try CachedPart(weights, in: home, build: load), path: weights.name)
    }
  }

  /// The gate's router, if this is a mixture.
  package var router: Router? {
    switch self {
    case .dense: nil
    case .sparse(let layer, _): layer.router
    }
  }

  /// Bytes of all weights, those of the experts apart.
  package var byteCounts: (dense: Int, experts: Int) {
    switch self {
    case .dense(let layer, _): (layer.byteCount, 0)
    case .sparse(let layer, _): (layer.router.gate.byteCount, layer.expertBytes)
    }
  }

  /// Applies the layer, telling the pass's observer its input.
  /// - Parameter routing: a routing already made for the same input and an equal gate.
  /// - Throws: what reading weights throws.
  package func callAsFunction(_ x: Tensor, routing: Routing? = nil, _ pass: ForwardPass) throws -> Tensor {
    switch self {
    case .dense(let part, let path):
      pass.observe?(path, x)
      return try part(pass) { $0(x, pass.compute) }
    case .sparse(let layer, let path):
      pass.observe?(path, x)
      return try layer(x, routing: routing, pass)
    }
  }

  /// sum += what the layer gives.
  /// - Throws: what reading weights throws.
  package func add(_ x: Tensor, to sum: inout Tensor, _ pass: ForwardPass) throws {
    switch self {
    case .dense(let part, let path):
      pass.observe?(path, x)
      try part(pass) { $0.add(x, rowWeights: nil, to: &sum, pass.compute) }
    case .sparse(let layer, let path):
      pass.observe?(path, x)
      try layer.add(x, to: &sum, pass)
    }
  }
}
