import Checkpoints
import Layers
import Tensors
import WeightCache

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
package struct MixableLayer<Plain: Layer>: Sendable {
  private enum Kind: Sendable {
    case dense(CachedPart<Plain>)
    case sparse(SparseLayer<Plain>)
  }

  private let kind: Kind
  /// The layer's path in the model. If several layers are computed as one, the path of each.
  private let paths: [String]

  /// Builds the layer at `weights`: a mixture if `mixture` is given, else the plain layer.
  /// - Parameters:
  ///   - weights: the layer's tensors.
  ///   - inputs: channels of a row.
  ///   - mixture: how the layer was replaced by experts; nil for a plain layer.
  ///   - home: where the weights are kept.
  ///   - load: makes a plain layer from its scope.
  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  package init(
    _ weights: Weights, inputs: Int, mixture: MixtureConfiguration?, home: PartHome,
    load: @escaping @Sendable (Weights) throws -> Plain
  ) throws {
    paths = [weights.name]
    if let mixture {
      kind = .sparse(
        try SparseLayer(
          weights, inputs: inputs, experts: mixture.experts,
          expertsPerCall: mixture.expertsPerCall, home: home, load: load))
    } else {
      kind = .dense(try CachedPart(weights, in: home, build: load))
    }
  }

  /// The router; nil if this is a plain layer.
  var router: Router? {
    switch kind {
    case .dense: nil
    case .sparse(let layer): layer.router
    }
  }

  /// Bytes of all weights, experts counted separately.
  package var byteCounts: (dense: Int, experts: Int) {
    switch kind {
    case .dense(let layer): (layer.byteCount, 0)
    case .sparse(let layer): (layer.router.gate.byteCount, layer.expertBytes)
    }
  }

  /// Applies the layer. The pass's observer, if there is one, gets its input.
  /// - Throws: what reading weights throws.
  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) throws -> Tensor {
    for path in paths { pass.observe?(path, x) }
    return switch kind {
    case .dense(let part): try part(pass) { $0(x, pass.compute) }
    case .sparse(let layer): try layer(x, pass)
    }
  }

  /// sum += layer(x).
  /// - Throws: what reading weights throws.
  package func add(_ x: Tensor, to sum: inout Tensor, _ pass: ForwardPass) throws {
    for path in paths { pass.observe?(path, x) }
    switch kind {
    case .dense(let part): try part(pass) { $0.add(x, rowWeights: nil, to: &sum, pass.compute) }
    case .sparse(let layer): try layer.add(x, to: &sum, pass)
    }
  }
}

extension MixableLayer where Plain == Linear {
  /// Builds several projections of one input as one layer, whose result holds theirs side by side. That takes one
  /// product and one routing, and each expert is one part of the cache.
  /// - Parameters:
  ///   - names: the names of the projections, which have no bias. The first one's gate routes all of them.
  ///   - weights: the layer's tensors.
  ///   - inputs: channels of a row.
  ///   - outputs: channels of each projection.
  ///   - mixture: how the projections were replaced by experts; nil for plain ones.
  ///   - home: where the weights are kept.
  /// - Returns: nil if the projections are mixtures with different gates, as `init: random` makes them.
  /// - Throws: `CheckpointError` for missing or misshapen tensors.
  package init?(
    stacking names: [String], of weights: Weights, inputs: Int, outputs: Int, mixture: MixtureConfiguration?,
    home: PartHome
  ) throws {
    paths = names.map { weights[$0].name }
    let stack = names.joined(separator: "+")
    guard let mixture else {
      kind = .dense(
        try CachedPart(weights, part: stack, in: home) { weights in
          try Linear(stacking: names.map { weights[$0] }, inputs: inputs, outputs: outputs)
        })
      return
    }
    // The gates of a meta network have no elements to compare.
    if weights.isMeta { return nil }
    let gates = try names.map {
      try weights[$0]["gate"].tensor("weight", shape: [mixture.experts, inputs])
    }
    guard let gate = gates.first, gates.allSatisfy({ $0.hasSameBits(as: gate) }) else { return nil }
    let experts = try (0..<mixture.experts).map { index in
      try CachedPart(weights, part: "\(stack).experts.\(index)", in: home) { weights in
        try Linear(
          stacking: names.map { weights[$0]["experts"][index] }, inputs: inputs, outputs: outputs)
      }
    }
    kind = .sparse(
      SparseLayer(
        router: Router(gate: gate, expertsPerCall: mixture.expertsPerCall), experts: experts))
  }
}

extension Tensor {
  fileprivate func hasSameBits(as other: Tensor) -> Bool {
    shape == other.shape
      && withUnsafe { a in
        other.withUnsafe { b in zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern } }
      }
  }
}
