import Checkpoints
import Diffusion
import Experts
import Foundation
import Tensors
import WeightCache

/// Makes a SegMoE folder from a recipe (the reference's `SegMoEPipeline.load_from_scratch` and
/// `save_pretrained`).
package struct Merger: Sendable {
  private let recipe: Recipe
  private let gateSettings: GateSettings
  private let compute: Compute
  private let budget: MemoryBudget?
  private let arrivals: any SourceArrivals

  /// - Parameters:
  ///   - recipe: what to merge.
  ///   - gates: how gates are computed.
  ///   - compute: where gates are computed.
  ///   - budget: the most memory that the process may take; nil: only the merge's own limit holds.
  ///   - arrivals: where the sources are, or when they will be here.
  package init(
    _ recipe: Recipe, gates: GateSettings, compute: Compute, budget: MemoryBudget? = nil,
    arrivals: any SourceArrivals = LocalSources()
  ) {
    self.recipe = recipe
    gateSettings = gates
    self.compute = compute
    self.budget = budget
    self.arrivals = arrivals
  }

  /// Merges into `output`, which must not exist. It appears as a whole or not at all.
  /// - Throws: `MergeError`, with the expert at fault, `MemoryRefusal`, and what `report` throws.
  package func merge(into output: String, report: (MergeProgress) throws -> Void = { _ in }) throws {
    try Self.checkPlace(output)
    var sources = try OpenedSources(recipe, arrivals)
    try sources.openArrived()
    let layers = sources.covered.layers(of: sources.base.weights.names)
    let gates = try MemoryRefusal.check { try self.gates(layers, &sources, report: report) }
    try MergedFolder(
      recipe: recipe, base: sources.base, experts: sources.all(), covered: sources.covered, gates: gates
    ).write(to: output, report: report)
  }

  /// Checks that a folder can be made at `output`. Pulling the models and computing gates may take an hour; a place
  /// where nothing can be written is found out before.
  /// - Throws: `MergeError.outputExists`, `.noPlace`
  package static func checkPlace(_ output: String) throws {
    var status = stat()
    guard lstat(output, &status) != 0 else { throw MergeError.outputExists(path: output) }
    try PartialFolder(for: output).discard()
  }

  /// A row per expert for every covered layer: `[experts, in]`.
  private func gates(
    _ layers: [String], _ sources: inout OpenedSources, report: (MergeProgress) throws -> Void
  ) throws -> [String: Tensor] {
    let count = recipe.experts.count
    switch recipe.gates {
    case .random:
      return try randomGates(layers, base: sources.base, experts: count)
    case .hidden:
      let governor = MemoryGovernor(budget: budget)
      var rows: [String: [Float]] = [:]
      for (index, described) in recipe.experts.enumerated() {
        // Meanwhile the next ones come.
        let expert = try sources.expert(index)
        try sources.openArrived()
        let probe = GateProbe(
          gateSettings, compute: compute, governor: governor, memory: try memory(sources.opened))
        let base = sources.base.files.path
        // What ends the merge from outside is no fault of the expert.
        var refusal: (any Error)?
        let found: [String: [Float]]
        do {
          found = try recipe.naming(index) {
            // An expert may lack a VAE. The base's stands in; nothing is decoded.
            let model = try expert.model(vae: base, cache: governor.cache)
            return try probe.gateRows(
              model: model, prompt: described.gatePrompt,
              negativePrompt: described.gateNegativePrompt, layers: layers
            ) { step, steps in
              do {
                try report(.gates(expert: index, count: count, step: step, steps: steps))
              } catch {
                refusal = error
                throw error
              }
            }
          }
        } catch {
          throw refusal ?? error
        }
        for layer in layers { rows[layer, default: []] += found[layer] ?? [] }
      }
      return rows.mapValues { Tensor(shape: [count, $0.count / count], values: $0) }
    }
  }

  /// A merge takes at most the size of its largest source plus 2 GB. The render gets half a gigabyte less; that is for
  /// everything else.
  private func memory(_ sources: [MergeSource]) throws -> Int {
    let largest = try sources.map { try $0.storedBytes() }.max() ?? 0
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

/// The progress of a merge.
package enum MergeProgress: Sendable, Equatable {
  /// Expert `index` of `count` renders its prompt for the gates.
  case gates(expert: Int, count: Int, step: Int, steps: Int)
  /// A component of the base is being copied.
  case copying(component: String)
  /// `done` of `total` tensors are written.
  case writing(done: Int, total: Int)
}
