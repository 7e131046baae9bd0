/// Adds a difference that has the weight's shape.
struct DifferencePatch: WeightPatch {
  let difference: StoredTensor
  let scale: Float

  func apply(
    to values: UnsafeMutableBufferPointer<Float>, elements: Range<Int>, of weight: StoredTensor
  ) throws {
    for (index, value) in try difference.elements(elements).enumerated() { values[index] += scale * value }
  }
}
