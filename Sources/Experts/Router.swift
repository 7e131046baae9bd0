import Foundation
import Tensors

/// Which experts one layer call uses, and how much of each goes into every row.
package struct Routing: Sendable, Equatable {
  /// Chosen experts, the one with the largest summed logit first.
  package let experts: [Int]
  /// For each chosen expert, its weight in every row; over the experts they add up to 1.
  package let rowWeights: [[Float]]
}

/// Chooses k experts for a whole layer call (the reference's `SparseMoeBlock.forward`).
package struct Router: Sendable {
  /// `[experts, in]`.
  package let gate: Tensor
  /// How many experts a call uses (`num_experts_per_tok`).
  package let expertsPerCall: Int

  package init(gate: Tensor, expertsPerCall: Int) {
    self.gate = gate
    self.expertsPerCall = expertsPerCall
  }

  /// Routes `x` `[batch, sequence, in]`, the rows of one image: unconditional and conditional.
  ///
  /// Logits are summed over all rows; the k largest sums choose the experts for the call. Per row,
  /// a softmax over just those k logits gives the weights.
  package func route(_ x: Tensor, _ compute: Compute) -> Routing {
    let experts = gate.shape[0]
    if compute.plan != nil {
      return Routing(
        experts: Array(0..<expertsPerCall), rowWeights: Array(repeating: [], count: expertsPerCall))
    }
    let rows = x.count / gate.shape[1]
    let logits = compute.linear(x, weight: gate).values
    var sums = [Double](repeating: 0, count: experts)
    for row in 0..<rows {
      for expert in 0..<experts { sums[expert] += Double(logits[row * experts + expert]) }
    }
    let chosen = Array(
      (0..<experts).sorted { sums[$0] != sums[$1] ? sums[$0] > sums[$1] : $0 < $1 }
        .prefix(expertsPerCall))
    guard chosen.count > 1 else {
      return Routing(experts: chosen, rowWeights: [[Float](repeating: 1, count: rows)])
    }
    var weights = [[Float]](repeating: [Float](repeating: 0, count: rows), count: chosen.count)
    for row in 0..<rows {
      let of = chosen.map { logits[row * experts + $0] }
      let highest = of.max() ?? 0
      let exponentials = of.map { exp($0 - highest) }
      let total = exponentials.reduce(0, +)
      for slot in chosen.indices { weights[slot][row] = exponentials[slot] / total }
    }
    return Routing(experts: chosen, rowWeights: weights)
  }
}
