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

/// IA³ (Liu et al., 2022): every output, or every input, of a layer is multiplied by a factor of its own.
struct ScalingPatch: WeightPatch {
  let factors: [Float]
  let axis: DecomposedPatch.Axis

  func apply(
    to values: UnsafeMutableBufferPointer<Float>, elements: Range<Int>, of weight: StoredTensor
  ) throws {
    let width = weight.shape.dropFirst().reduce(1, *)
    let taps = weight.shape.dropFirst(2).reduce(1, *)
    for (index, element) in elements.enumerated() {
      values[index] *= factors[axis == .output ? element / width : element % width / taps]
    }
  }
}

/// Moves values towards others of the same shape: for an adapter that brings a whole bias.
struct ReplacingPatch: WeightPatch {
  let other: StoredTensor
  /// 0 keeps the old values, 1 gives the others.
  let strength: Float

  func apply(
    to values: UnsafeMutableBufferPointer<Float>, elements: Range<Int>, of weight: StoredTensor
  ) throws {
    for (index, value) in try other.elements(elements).enumerated() {
      values[index] += strength * (value - values[index])
    }
  }
}
