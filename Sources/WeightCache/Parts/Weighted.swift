import Foundation

/// Something with weights.
package protocol Weighted: Sendable {
  /// Bytes that the weights take in memory.
  var byteCount: Int { get }
  /// Passes all weights to `body`, block by block, in an order that depends only on the type. The blocks stay at their
  /// addresses as long as this value lives.
  func withWeights(_ body: (UnsafeRawBufferPointer) -> Void)
  /// What it computes with beside weights, such as a norm's epsilon or an attention's heads, in an order that depends only on
  /// the type. Two values of one type with equal weights and settings are the same function.
  var settings: [String] { get }
}

extension Weighted {
  /// Whether settings are the same and weights are bit for bit, as in two merges that have an expert in common.
  func isSameFunction(as other: any Weighted) -> Bool {
    guard type(of: other) == Self.self, byteCount == other.byteCount, settings == other.settings
    else { return false }
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
