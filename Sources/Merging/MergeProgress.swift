/// What a merge is doing.
package enum MergeProgress: Sendable, Equatable {
  /// Expert `index` of `count` renders its prompt for the gates.
  case gates(expert: Int, count: Int, step: Int, steps: Int)
  /// A component of the base is taken over as it is.
  case copying(component: String)
  /// `done` of `total` tensors are written.
  case writing(done: Int, total: Int)
}
