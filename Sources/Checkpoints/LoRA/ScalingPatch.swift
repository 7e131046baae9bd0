/// IA³ (Liu et al., 2022): every output, or every input, of a layer gets a factor.
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

/// A weight's values moved towards others of the same shape: a bias that an adapter brings whole.
struct ReplacingPatch: WeightPatch {
  let other: StoredTensor
  /// 1: the other's values.
  let strength: Float

  func apply(
    to values: UnsafeMutableBufferPointer<Float>, elements: Range<Int>, of weight: StoredTensor
  ) throws {
    for (index, value) in try other.elements(elements).enumerated() {
      values[index] += strength * (value - values[index])
    }
  }
}
