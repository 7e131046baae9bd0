import Checkpoints
import Tensors

/// Something with weights.
package protocol Weighted: Sendable {
  /// Bytes that the weights take in memory.
  var byteCount: Int { get }
}

/// A learned function of one tensor, with its weights.
package protocol Layer: Weighted {
  /// The function. What shape goes in and comes out, the layer says.
  func callAsFunction(_ x: Tensor, _ compute: Compute) -> Tensor

  /// sum += what the function gives, row r times `rowWeights[r]` if there are any.
  func add(_ x: Tensor, rowWeights: [Float]?, to sum: inout Tensor, _ compute: Compute)
}

extension Layer {
  /// For layers that cannot add by themselves: computes, then adds.
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

extension Tensor {
  /// Bytes that the elements take in memory.
  package var byteCount: Int { count * MemoryLayout<Float>.stride }
}
