import Foundation
import Tensors

/// Which experts one layer call uses, and how much of each goes into every row.
package struct Routing: Sendable, Equatable {
  /// Chosen experts, the one with the largest summed logit first.
  package let experts: [Int]
  /// For each chosen expert, its weight in every row. In each row the experts' weights add up to 1.
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

  /// Routes `x`, `[batch, sequence, in]`, the rows of one image: unconditional and conditional.
  ///
  /// Logits are summed over all rows. The k largest sums choose the experts for the call. In each row, a softmax over
  /// those k logits gives the experts' weights.
  package func route(_ x: Tensor, _ compute: Compute) -> Routing {
    let experts = gate.shape[0]
    if compute.plan != nil {
      return Routing(
        experts: Array(0..<expertsPerCall), rowWeights: Array(repeating: [], count: expertsPerCall))
    }
    let rows = x.count / gate.shape[1]
    let logits = compute.linear(x, weight: gate)
    let sums = logits.withUnsafe { logits in
      var sums = [Double](repeating: 0, count: experts)
      for row in 0..<rows {
        for expert in 0..<experts { sums[expert] += Double(logits[row * experts + expert]) }
      }
      return sums
    }
    let chosen = Array(
      (0..<experts).sorted { sums[$0] != sums[$1] ? sums[$0] > sums[$1] : $0 < $1 }
        .prefix(expertsPerCall))
    guard chosen.count > 1 else {
      return Routing(experts: chosen, rowWeights: [[Float](repeating: 1, count: rows)])
    }
    let weights = logits.withUnsafe { logits in
      var highest = [Float](repeating: -.infinity, count: rows)
      for expert in chosen {
        for row in 0..<rows { highest[row] = max(highest[row], logits[row * experts + expert]) }
      }
      var totals = [Float](repeating: 0, count: rows)
      var weights = chosen.map { expert in
        [Float](unsafeUninitializedCapacity: rows) { weights, count in
          for row in 0..<rows {
            let exponential = exp(logits[row * experts + expert] - highest[row])
            weights.initializeElement(at: row, to: exponential)
            totals[row] += exponential
          }
          count = rows
        }
      }
      for slot in weights.indices {
        for row in 0..<rows { weights[slot][row] /= totals[row] }
      }
      return weights
    }
    return Routing(experts: chosen, rowWeights: weights)
  }
}
