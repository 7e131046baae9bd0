import Checkpoints
import Foundation
import Tensors

/// Something with weights.
package protocol Weighted: Sendable {
  /// Bytes that the weights take in memory.
  var byteCount: Int { get }
  /// Passes all weights to `body`, block by block, in an order that depends only on the type. The blocks stay at their
  /// addresses as long as this value lives.
  func withWeights(_ body: (UnsafeRawBufferPointer) -> Void)
}

extension Weighted {
  /// Whether the weights are bit for bit the same, as in two merges that have an expert in common.
  package func hasSameWeights(as other: any Weighted) -> Bool {
    guard type(of: other) == Self.self, byteCount == other.byteCount else { return false }
    var mine: [UnsafeRawBufferPointer] = []
    withWeights { mine.append($0) }
    var (index, isSame) = (0, true)
    other.withWeights { block in
      defer { index += 1 }
      guard isSame, index < mine.count, mine[index].count == block.count else { return isSame = false }
      if let a = mine[index].baseAddress, let b = block.baseAddress, block.count > 0 {
        isSame = memcmp(a, b, block.count) == 0
      }
    }
    return isSame && index == mine.count && index > 0
  }
}

extension Tensor {
  /// Shows `body` the elements' bytes.
  package func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    withUnsafe { body(UnsafeRawBufferPointer($0)) }
  }
}

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

extension Tensor {
  /// Bytes that the elements take in memory.
  package var byteCount: Int { count * MemoryLayout<Float>.stride }
}
