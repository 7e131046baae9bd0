import Checkpoints
import Layers
import Tensors

/// A layer whose work is shared among experts, fetched through the cache when routing asks for
/// them (the reference's `SparseMoeBlock`).
package struct SparseLayer<Expert: Layer>: Sendable {
  /// Who chooses the experts.
  package let router: Router
  private let experts: [CachedPart<Expert>]
  private let outputs: Int

  /// - Parameters:
  ///   - weights: the layer's scope, with `gate.weight` and `experts.N`.
  ///   - inputs: width of a row; `outputs` of one of the result.
  ///   - experts: how many there are; `expertsPerCall` of them work on a call.
  ///   - load: makes one expert from its scope.
  /// - Throws: `CheckpointError` if the gate or any expert's tensors are missing or misshapen.
  package init(
    _ weights: Weights, inputs: Int, outputs: Int, experts: Int, expertsPerCall: Int, home: PartHome,
    load: @escaping @Sendable (Weights) throws -> Expert
  ) throws {
    let gate = try weights["gate"].tensor("weight", shape: [experts, inputs])
    router = Router(gate: gate, expertsPerCall: expertsPerCall)
    self.experts = try (0..<experts).map {
      try CachedPart(weights["experts"][$0], in: home, build: load)
    }
    self.outputs = outputs
  }

  /// - Parameters:
  ///   - router: chooses among `experts`.
  ///   - outputs: width of a row of the result.
  package init(router: Router, experts: [CachedPart<Expert>], outputs: Int) {
    self.router = router
    self.experts = experts
    self.outputs = outputs
  }

  /// Bytes of the experts' weights, all of them.
  package var expertBytes: Int { experts.reduce(0) { $0 + $1.byteCount } }

  /// Σ over the chosen experts of weight · expert(x), row by row.
  /// - Throws: what reading an expert throws.
  package func callAsFunction(_ x: Tensor, _ pass: ForwardPass) throws -> Tensor {
    let routing = router.route(x, pass.compute)
    // With one expert its weight is exactly 1.
    if routing.experts.count == 1 { return try experts[routing.experts[0]](pass) { $0(x, pass.compute) } }
    var sum = pass.compute.zeros(shape: x.shape.dropLast() + [outputs])
    try add(x, routing, to: &sum, pass)
    return sum
  }

  /// sum += Σ over the chosen experts of weight · expert(x), row by row.
  /// - Throws: what reading an expert throws.
  package func add(_ x: Tensor, to sum: inout Tensor, _ pass: ForwardPass) throws {
    try add(x, router.route(x, pass.compute), to: &sum, pass)
  }

  private func add(_ x: Tensor, _ routing: Routing, to sum: inout Tensor, _ pass: ForwardPass) throws {
    for (slot, expert) in routing.experts.enumerated() {
      let weights = routing.experts.count == 1 ? nil : routing.rowWeights[slot]
      try experts[expert](pass) { $0.add(x, rowWeights: weights, to: &sum, pass.compute) }
    }
  }
}
