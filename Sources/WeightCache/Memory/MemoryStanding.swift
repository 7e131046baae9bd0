/// What the process may take and what it takes already, measured at one moment.
package struct MemoryStanding: Sendable {
  /// nil: there is no bound.
  package let budget: MemoryBudget?
  /// Bytes that the process takes beside the cache and known tensors, with a margin.
  let alone: Int
  /// Bytes of tensors that other renders hold meanwhile.
  let beside: Int

  /// Bytes that are neither the cache's nor the render's own.
  var fixed: Int { alone + beside }

  /// Bytes for tensors and weights, to decide how to decode; nil: there is no bound.
  package var room: Int? { budget.map { $0.bytes - max(alone, MemoryBudget.usual) } }

  /// Bytes for tensors and weights as things are; nil: there is no bound.
  package var left: Int? { budget.map { $0.bytes - fixed } }

  /// Whether so many bytes of tensors and weights are more than there is room for.
  package func lacks(_ bytes: Int) -> Bool { left.map { bytes > $0 } ?? false }
}
