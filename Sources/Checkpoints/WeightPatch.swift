/// A change to a weight, made whenever the weight is read: a LoRA fused at load, say. Any part of the weight can be asked
/// for without the rest, so experts can be read on demand.
package protocol WeightPatch: Sendable {
  /// Changes the elements `elements` (row-major order of the weight's shape) in `values`, which holds just those.
  /// - Parameters:
  ///   - values: the elements as read so far; changed in place.
  ///   - elements: which elements they are, in row-major order.
  ///   - weight: the weight as it was before this change, to read other parts of; its shape was checked before
  ///     the patch was attached.
  /// - Throws: what reading throws.
  func apply(to values: UnsafeMutableBufferPointer<Float>, elements: Range<Int>, of weight: StoredTensor)
    throws

  /// Whether any part of the weight needs all of it: then it is better read at once.
  var readsWhole: Bool { get }
}

extension WeightPatch {
  package var readsWhole: Bool { false }
}
