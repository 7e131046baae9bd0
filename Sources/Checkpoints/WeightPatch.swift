/// A change to a weight, made whenever the weight is read, such as a LoRA. Any part of the weight can be read without
/// the rest, so that experts can be read when they are needed.
package protocol WeightPatch: Sendable {
  /// Changes a range of elements, which are in `values`.
  /// - Parameters:
  ///   - values: the elements as read so far; changed in place.
  ///   - elements: which elements they are, in row-major order.
  ///   - weight: the weight before this change, for reading other parts. Its shape was checked before the patch was
  ///     attached.
  /// - Throws: what reading throws.
  func apply(to values: UnsafeMutableBufferPointer<Float>, elements: Range<Int>, of weight: StoredTensor)
    throws

  /// Whether every part of the weight depends on all of it. Then the weight should be read as a whole.
  var readsWhole: Bool { get }
}

extension WeightPatch {
  package var readsWhole: Bool { false }
}
