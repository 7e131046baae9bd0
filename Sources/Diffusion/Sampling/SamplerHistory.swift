import Tensors

/// What a sampling method remembers of earlier steps beside the step's index: all that a render must
/// keep to go on elsewhere as if nothing had happened.
package struct SamplerHistory: Sendable {
  /// Earlier outputs or samples, in the method's own order.
  package var tensors: [Tensor]
  /// Counts, and whatever else is a whole number.
  package var counters: [Int]

  package init(tensors: [Tensor] = [], counters: [Int] = []) {
    self.tensors = tensors
    self.counters = counters
  }
}

extension Scheduler {
  /// Nothing: most methods look at the present sample alone.
  package var history: SamplerHistory {
    get { SamplerHistory() }
    set {}
  }
}
