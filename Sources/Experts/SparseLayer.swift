import Checkpoints
import Layers
import Tensors

/// A layer whose work is shared among experts, fetched through the cache when routing asks for
/// them (the reference's `SparseMoeBlock`).
package struct SparseLayer<Expert: Layer>: Sendable {
  /// Who chooses the experts.
  package let router: Router
  private let keys: [ExpertKey]
  private let load: @Sendable (_ expert: Int) throws -> Expert
  private let cache: ExpertCache
  private let outputs: Int

  /// - Parameters:
  ///   - weights: the layer's scope, with `gate.weight` and `experts.N`.
  ///   - inputs: width of a row; `outputs` of one of the result.
  ///   - experts: how many there are; `expertsPerCall` of them work on a call.
  ///   - model: what the cache files this model's experts under.
  ///   - validate: checks names and shapes of one expert's tensors without reading them.
  ///   - load: reads and packs one expert from its scope.
  /// - Throws: `CheckpointError` if the gate or any expert's tensors are missing or misshapen.
  package init(
    _ weights: Weights, inputs: Int, outputs: Int, experts: Int, expertsPerCall: Int, model: String,
    cache: ExpertCache, validate: (Weights) throws -> Void,
    load: @escaping @Sendable (Weights) throws -> Expert
  ) throws {
    let gate = try weights["gate"].tensor("weight", shape: [experts, inputs])
    router = Router(gate: gate, expertsPerCall: expertsPerCall)
    let scopes = (0..<experts).map { weights["experts"][$0] }
    for scope in scopes { try validate(scope) }
    keys = scopes.map { ExpertKey(model: model, path: $0.name) }
    self.cache = cache
    self.outputs = outputs
    self.load = { try load(scopes[$0]) }
  }

  /// Σ over the chosen experts of weight · expert(x), row by row.
  /// - Parameter routing: a routing already made for the same input and an equal gate.
  /// - Throws: what reading an expert throws.
  package func callAsFunction(_ x: Tensor, routing: Routing? = nil, _ pass: ForwardPass) throws -> Tensor {
    let routing = routing ?? router.route(x, pass.compute)
    // With one expert its weight is exactly 1.
    if routing.experts.count == 1 { return try withExpert(routing.experts[0], pass) { $0(x, pass.compute) } }
    var sum = Tensor(shape: x.shape.dropLast() + [outputs])
    try add(x, routing: routing, to: &sum, pass)
    return sum
  }

  /// sum += Σ over the chosen experts of weight · expert(x), row by row.
  /// - Parameter routing: a routing already made for the same input and an equal gate.
  /// - Throws: what reading an expert throws.
  package func add(_ x: Tensor, routing: Routing? = nil, to sum: inout Tensor, _ pass: ForwardPass) throws {
    let routing = routing ?? router.route(x, pass.compute)
    for (slot, expert) in routing.experts.enumerated() {
      let weights = routing.experts.count == 1 ? nil : routing.rowWeights[slot]
      try withExpert(expert, pass) { $0.add(x, rowWeights: weights, to: &sum, pass.compute) }
    }
  }

  private func withExpert<Result>(_ expert: Int, _ pass: ForwardPass, _ body: (Expert) -> Result) throws
    -> Result
  {
    try cache.withExpert(keys[expert], ledger: pass.ledger, load: { try load(expert) }, body)
  }
}
