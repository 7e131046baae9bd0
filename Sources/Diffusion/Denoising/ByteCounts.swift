/// Bytes of weights, counted separately for experts and for all else.
package struct ByteCounts: Sendable, Equatable {
  /// Weights that every pass uses.
  package let dense: Int
  /// Weights that a pass uses only if the router chooses them.
  package let experts: Int

  init(dense: Int = 0, experts: Int = 0) {
    self.dense = dense
    self.experts = experts
  }

  init(_ counts: (dense: Int, experts: Int)) { self.init(dense: counts.dense, experts: counts.experts) }

  /// Bytes of all weights.
  package var total: Int { dense + experts }

  static func + (a: Self, b: Self) -> Self {
    ByteCounts(dense: a.dense + b.dense, experts: a.experts + b.experts)
  }
}
