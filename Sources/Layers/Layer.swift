import Checkpoints
import Tensors
import WeightCache

/// A learned function of one tensor, with its weights.
package protocol Layer: Weighted {
  /// Applies the function. Each layer says which shapes go in and come out.
  func callAsFunction(_ x: Tensor, _ compute: Compute) -> Tensor

  /// The function's result, row r times `rowWeights[r]`.
  func callAsFunction(_ x: Tensor, rowWeights: [Float], _ compute: Compute) -> Tensor

  /// sum += the function's result, row r times `rowWeights[r]` if there are any.
  func add(_ x: Tensor, rowWeights: [Float]?, to sum: inout Tensor, _ compute: Compute)
}

extension Layer {
  /// For layers whose kernel cannot weight rows: computes, then adds the weighted rows to zeros.
  package func callAsFunction(_ x: Tensor, rowWeights: [Float], _ compute: Compute) -> Tensor {
    let result = self(x, compute)
    var sum = compute.zeros(shape: result.shape)
    compute.accumulate(result, rowWeights: rowWeights, into: &sum)
    return sum
  }

  /// For layers whose kernel cannot add: computes, then adds.
  package func add(_ x: Tensor, rowWeights: [Float]?, to sum: inout Tensor, _ compute: Compute) {
    compute.accumulate(self(x, compute), rowWeights: rowWeights, into: &sum)
  }
}

extension Compute {
  /// result += x, row r times `rowWeights[r]` if there are any.
  func accumulate(_ x: Tensor, rowWeights: [Float]?, into result: inout Tensor) {
    if let rowWeights {
      let weights: [Float] = rowWeights
      accumulate(x, rowWeights: weights, into: &result)
    } else {
      accumulate(x, into: &result)
    }
  }
}

/// Why a layer cannot be built from its configuration.
package enum LayerError: Error, Equatable, CustomStringConvertible {
  /// A group normalization over groups of unequal size.
  case groupsDoNotDivide(layer: String, channels: Int, groups: Int)
  /// Attention heads of unequal width.
  case headsDoNotDivide(layer: String, channels: Int, heads: Int)

  package var description: String {
    switch self {
    case .groupsDoNotDivide(let layer, let channels, let groups):
      "\(layer): \(channels) channels cannot be split into \(groups) groups; check norm_num_groups in its config.json"
    case .headsDoNotDivide(let layer, let channels, let heads):
      "\(layer): \(channels) channels cannot be split into \(heads) heads; check the head count in its config.json"
    }
  }
}
