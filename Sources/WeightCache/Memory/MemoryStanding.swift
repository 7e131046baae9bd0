/// What the process may take and what it takes already, measured at one moment.
package struct MemoryStanding: Sendable {
  /// nil: there is no bound.
  package let budget: MemoryBudget?
  /// Bytes that the process takes beside the cache and known tensors, with a margin.
  let alone: Int
  /// Bytes of tensors that other renders hold meanwhile.
  let beside: Int
  /// What works beside this one take.
  var others = MemoryShares.Others()
  /// Bytes by which the measurement may be too low, because works beside this one took and gave memory meanwhile.
  var doubt = 0

  /// Bytes that are neither the cache's nor the render's own.
  var fixed: Int { alone + doubt + beside + others.tensors }

  /// The same, with the weights that works beside this one need at one time.
  var taken: Int { alone + doubt + beside + others.total }

  /// Bytes for tensors and weights as things are; nil: there is no bound.
  package var left: Int? { budget.map { $0.bytes - taken } }

  /// A budget that would be enough for so many bytes of tensors and weights as things are.
  package func budget(for bytes: Int) -> Int { bytes + taken + MemoryBudget.variation }

  /// Whether so many bytes of tensors and weights are more than there is room for.
  package func lacks(_ bytes: Int) -> Bool { left.map { bytes > $0 } ?? false }
}
