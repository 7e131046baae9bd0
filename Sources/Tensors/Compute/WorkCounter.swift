import Synchronization

/// Floating-point operations of products, convolutions and attention, a multiply-add counted as two.
/// Normalizations and activations are not counted.
package final class WorkCounter: Sendable {
  private let operations = Atomic<Int>(0)

  /// Operations so far.
  package var total: Int { operations.load(ordering: .relaxed) }

  func add(_ count: Int) { operations.add(count, ordering: .relaxed) }
}
