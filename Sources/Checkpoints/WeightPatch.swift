/// A change to a weight, added whenever the weight is read: a LoRA fused at load, say. Any part of the
/// weight can be patched without the rest, so experts can be read on demand.
package protocol WeightPatch: Sendable {
  /// Adds the change of the elements `elements` (row-major order of `shape`) to `values`, which holds
  /// just those elements. `shape` is the weight's, checked before the patch was attached.
  func add(to values: UnsafeMutableBufferPointer<Float>, elements: Range<Int>, shape: [Int])
}
