import Checkpoints
import Tensors

/// A learned function of one tensor, with its weights.
package protocol Layer: Sendable {
  /// Bytes that the weights take in memory.
  var byteCount: Int { get }

  /// The function. What shape goes in and comes out, the layer says.
  func callAsFunction(_ x: Tensor, _ compute: Compute) -> Tensor
}

extension Tensor {
  /// Bytes that the elements take in memory.
  package var byteCount: Int { count * MemoryLayout<Float>.stride }
}
