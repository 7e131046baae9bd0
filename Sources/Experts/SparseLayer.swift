import Checkpoints
import Layers
import Tensors
import WeightCache

/// A layer made of experts (the reference's `SparseMoeBlock`). An expert's weights are taken from the cache when the
/// router chooses it.
package struct SparseLayer<Expert: Layer>: Sendable {
  /// Chooses the experts.
  let router: Router
  private let experts: [CachedPart<Expert>]

  /// - Parameters:
  ///   - weights: the layer's scope, with `gate.weight` and `experts.N`.
  ///   - inputs: width of a row.
  ///   - experts: how many there are.
  ///   - expertsPerCall: how many experts are chosen.
  ///   - home: where the weights are kept.
  ///   - load: makes one expert from its scope.
  /// - Throws: `CheckpointError` if the gate or any expert's tensors are missing or misshapen.
  package init(
    _ weights: Weights, inputs: Int, experts: Int, expertsPerCall: Int, home: PartHome,
    load: @escaping @Sendable (Weights) throws -> Expert
  ) throws {
    let gate = try weights["gate"].tensor("weight", shape: [experts, inputs])
    router = Router(gate: gate, expertsPerCall: expertsPerCall)
    self.experts = try (0..<experts).map {
      try CachedPart(weights["experts"][$0], in: home, build: load)
    }
  }

  /// - Parameters:
  ///   - router: chooses among `experts`.
  ///   - experts: all experts, in the order of the gate's rows.
  package init(router: Router, experts: [CachedPart<Expert>]) {
    self.router = router
    self.experts = experts
  }

  /// Bytes of all experts' weights.
  var expertBytes: Int { experts.reduce(0) { $0 + $1.byteCount } }

  /// Σ over the chosen experts of weight · expert(x), row by row.
  /// - Throws: what reading an expert throws.
  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) throws -> Tensor {
    let routing = router.route(x, pass.compute)
    // The weight of a single expert is exactly 1.
    if routing.experts.count == 1 { return try experts[routing.experts[0]](pass) { $0(x, pass.compute) } }
    // The other experts' products are added to the first one's, so that no further tensor is needed.
    var sum = try experts[routing.experts[0]](pass) { $0(x, rowWeights: routing.rowWeights[0], pass.compute) }
    for slot in 1..<routing.experts.count { try add(x, routing, slot, to: &sum, pass) }
    return sum
  }

  /// sum += Σ over the chosen experts of weight · expert(x), row by row.
  /// - Throws: what reading an expert throws.
  package func add(_ x: Tensor, to sum: inout Tensor, _ pass: ForwardPass) throws {
    let routing = router.route(x, pass.compute)
    for slot in routing.experts.indices { try add(x, routing, slot, to: &sum, pass) }
  }

  private func add(_ x: Tensor, _ routing: Routing, _ slot: Int, to sum: inout Tensor, _ pass: ForwardPass)
    throws
  {
    let weights = routing.experts.count == 1 ? nil : routing.rowWeights[slot]
    try experts[routing.experts[slot]](pass) { $0.add(x, rowWeights: weights, to: &sum, pass.compute) }
  }
}
