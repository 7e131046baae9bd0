import Foundation

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
  func hasSameWeights(as other: any Weighted) -> Bool {
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
