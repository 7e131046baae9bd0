import Checkpoints
import Diffusion
import Experts
import Foundation
import Tensors
import WeightCache

/// Makes a SegMoE folder of a recipe (the reference's `SegMoEPipeline.load_from_scratch` and
/// `save_pretrained`).
package struct Merger: Sendable {
  private let recipe: Recipe
  private let gateSettings: GateSettings
  private let compute: Compute
  private let budget: MemoryBudget?

  /// - Parameters:
  ///   - recipe: what to merge.
  ///   - gates: how gates are computed.
  ///   - compute: where.
  ///   - budget: what the process may take; nil: there is no bound but that of `memory`.
  package init(_ recipe: Recipe, gates: GateSettings, compute: Compute, budget: MemoryBudget? = nil) {
    self.recipe = recipe
    gateSettings = gates
    self.compute = compute
    self.budget = budget
  }

  /// Merges into `output`, which must not exist; it appears whole or not at all.
  /// - Throws: `MergeError`, with the expert at fault, and what `report` throws.
  package func merge(into output: String, report: (MergeProgress) throws -> Void = { _ in }) throws {
    try Self.checkPlace(output)
    let base = try baseSource()
    let experts = try recipe.experts.indices.map { try expertSource($0, family: base.family) }
    let levels = base.shape.down.count
    let blocks = CoveredLayers.blocks(base.family, levels: levels)
    let covered = CoveredLayers(
      MixtureConfiguration(
        experts: experts.count, expertsPerCall: recipe.expertsPerToken, layers: recipe.mixtureLayers,
        downBlocks: blocks.down, upBlocks: blocks.up))
    for (index, expert) in experts.enumerated() {
      try checkShapes(of: expert, index: index, against: base, covered)
    }
    let layers = covered.layers(of: base.weights.names)
    let gates = try gates(layers, base: base, experts: experts, report: report)
    try MergedFolder(
      recipe: recipe, base: base, experts: experts, covered: covered, gates: gates
    ).write(to: output, report: report)
  }

  /// Checks that a folder can be made at `output`. Pulling the models and computing gates may take an hour; a place where
  /// nothing can be written is found out before.
  /// - Throws: `MergeError.outputExists`, `.notWritable`
  package static func checkPlace(_ output: String) throws {
    var status = stat()
    guard lstat(output, &status) != 0 else { throw MergeError.outputExists(path: output) }
    try PartialFolder(for: output).discard()
  }

  /// A row per expert for every covered layer: `[experts, in]`.
  private func gates(
    _ layers: [String], base: MergeSource, experts: [MergeSource], report: (MergeProgress) throws -> Void
  ) throws -> [String: Tensor] {
    switch recipe.gates {
    case .random:
      return try randomGates(layers, base: base, experts: experts.count)
    case .hidden:
      let governor = MemoryGovernor(budget: budget)
      let probe = GateProbe(
        gateSettings, compute: compute, governor: governor, memory: try memory(base, experts))
      var rows: [String: [Float]] = [:]
      for (index, expert) in experts.enumerated() {
        let found = try named(index) {
          // An expert may lack a VAE. The base's stands in; nothing is decoded.
          let model = try expert.model(vae: base.files.path, cache: governor.cache)
          return try probe.gateRows(
            model: model, prompt: recipe.experts[index].gatePrompt,
            negativePrompt: recipe.experts[index].gateNegativePrompt, layers: layers
          ) { step, steps in
            try report(.gates(expert: index, count: experts.count, step: step, steps: steps))
          }
        }
        for layer in layers { rows[layer, default: []] += found[layer] ?? [] }
      }
      return rows.mapValues { Tensor(shape: [experts.count, $0.count / experts.count], values: $0) }
    }
  }

  /// A merge takes at most the size of its largest source plus 2 GB. The render gets half a gigabyte less; that is for
  /// everything else.
  private func memory(_ base: MergeSource, _ experts: [MergeSource]) throws -> Int {
    let largest = try ([base] + experts).map { try $0.storedBytes() }.max() ?? 0
    return largest + 1_500_000_000
  }

  /// Values like those of a new `nn.Linear` in torch: uniform within ±1/√in. They are seeded here.
  private func randomGates(_ layers: [String], base: MergeSource, experts: Int) throws -> [String: Tensor] {
    var twister = MersenneTwister(seed: UInt32(truncatingIfNeeded: gateSettings.seed))
    var gates: [String: Tensor] = [:]
    for layer in layers {
      let probe = layer.hasSuffix(".ff") ? "\(layer).net.0.proj.weight" : "\(layer).weight"
      let inputs = try base.weights.stored(probe).shape.last ?? 1
      let bound = 1 / Float(inputs).squareRoot()
      let values = (0..<experts * inputs).map { _ in
        (Float(twister.next() & 0xFF_FFFF) * 0x1p-23 - 1) * bound
      }
      gates[layer] = Tensor(shape: [experts, inputs], values: values)
    }
    return gates
  }

  private func baseSource() throws -> MergeSource {
    do {
      return try MergeSource(recipe.base, loras: recipe.baseLoRAs, family: recipe.family)
    } catch {
      throw MergeError.base(source: recipe.base.written, reason: "\(error)")
    }
  }

  private func expertSource(_ index: Int, family: Recipe.Family) throws -> MergeSource {
    try named(index) {
      try MergeSource(
        recipe.experts[index].source, loras: recipe.experts[index].loras, family: family)
    }
  }

  /// Says which expert an error came from.
  private func named<Result>(_ index: Int, _ body: () throws -> Result) throws -> Result {
    do {
      return try body()
    } catch let error as MergeError {
      throw error
    } catch let error where !(error is CancellationError) {
      throw MergeError.expert(
        index: index, source: recipe.experts[index].source.written, reason: "\(error)")
    }
  }

  private func checkShapes(
    of expert: MergeSource, index: Int, against base: MergeSource, _ covered: CoveredLayers
  ) throws {
    try named(index) {
      for (name, tensor) in base.weights.tensors where covered.split(name) != nil {
        _ = try expert.weights.stored(name, shape: tensor.shape)
      }
    }
  }
}

extension Recipe {
  /// The recipe's choice of layers, as the mixture knows it.
  package var mixtureLayers: MixtureConfiguration.Layers {
    switch layers {
    case .attn: .attention
    case .ff: .feedForward
    case .all: .all
    }
  }
}
