import Synchronization
import Tensors

/// DoRA (Liu et al., 2024): after a LoRA is added, every row or column of the weight is scaled to a stored magnitude.
struct DecomposedPatch: WeightPatch {
  /// What a row or column is: all inputs of an output, or all outputs (and taps) of an input.
  enum Axis: Sendable {
    case output
    case input
  }

  private let delta: AdapterDelta
  /// The magnitude of each row or column.
  private let magnitudes: [Float]
  private let axis: Axis
  /// How much of the scaling is applied. PEFT applies the adapter's strength to the LoRA and scales in full. LyCORIS
  /// adds the LoRA in full and applies the strength to the scaling.
  private let strength: Float
  private let factors = Cached()

  /// The factor of each row or column, computed when first needed.
  private final class Cached: Sendable {
    let values = Mutex<[Float]?>(nil)
  }

  init(delta: AdapterDelta, magnitudes: [Float], axis: Axis, strength: Float) {
    self.delta = delta
    self.magnitudes = magnitudes
    self.axis = axis
    self.strength = strength
  }

  func apply(
    to values: UnsafeMutableBufferPointer<Float>, elements: Range<Int>, of weight: StoredTensor
  ) throws {
    let factors = try factors(of: weight)
    delta.add(to: values, elements: elements)
    let place = Self.place(axis, weight.shape)
    for (index, element) in elements.enumerated() { values[index] *= factors[place(element)] }
  }

  /// A function from an element's index to its row or column.
  private static func place(_ axis: Axis, _ shape: [Int]) -> (Int) -> Int {
    let width = shape.dropFirst().reduce(1, *)
    let taps = shape.dropFirst(2).reduce(1, *)
    return switch axis {
    case .output: { $0 / width }
    case .input: { $0 % width / taps }
    }
  }

  private func factors(of weight: StoredTensor) throws -> [Float] {
    try factors.values.withLock { known in
      if let known { return known }
      // They are kept longer than the read that needs them, whose check comes too late.
      let factors = try MemoryRefusal.check { try computed(from: weight) }
      known = factors
      return factors
    }
  }

  private func computed(from weight: StoredTensor) throws -> [Float] {
    var squares = [Double](repeating: 0, count: magnitudes.count)
    let place = Self.place(axis, weight.shape)
    let (count, chunk) = (weight.count, 1 << 16)
    var values = [Float](repeating: 0, count: min(chunk, count))
    for start in stride(from: 0, to: count, by: chunk) {
      let range = start..<min(count, start + chunk)
      try values.withUnsafeMutableBufferPointer { buffer in
        let part = UnsafeMutableBufferPointer(rebasing: buffer[..<range.count])
        try weight.read(into: part, elements: range)
        delta.add(to: part, elements: range)
        for (index, element) in range.enumerated() {
          squares[place(element)] += Double(part[index]) * Double(part[index])
        }
      }
    }
    // LyCORIS adds epsilon too. Otherwise a row of zeros would be divided by 0.
    return zip(magnitudes, squares).map { magnitude, square in
      1 + strength * (magnitude / (Float(square.squareRoot()) + Float.ulpOfOne) - 1)
    }
  }
}
