import Tensors

/// GLoRA (Chavan et al., 2023) in LyCORIS' form: W + scale · (B + W·A), where A and B have low rank.
struct GeneralizedPatch: WeightPatch {
  /// scale · B.
  let added: AdapterDelta
  /// A = first · second: `[inputs, rank]`, `[rank, inputs]`.
  let first: Tensor
  let second: Tensor
  let scale: Float

  func apply(
    to values: UnsafeMutableBufferPointer<Float>, elements: Range<Int>, of weight: StoredTensor
  ) throws {
    let inputs = weight.shape[1]
    let taps = weight.shape.dropFirst(2).reduce(1, *)
    let rank = first.shape[1]
    try WholeRows.apply(to: values, elements: elements, of: weight) { row, result in
      for tap in 0..<taps {
        var inner = [Float](repeating: 0, count: rank)
        first.withUnsafe { first in
          for input in 0..<inputs {
            let value = row[input * taps + tap]
            for place in 0..<rank { inner[place] += value * first[input * rank + place] }
          }
        }
        second.withUnsafe { second in
          for place in 0..<rank {
            let value = scale * inner[place]
            for input in 0..<inputs { result[input * taps + tap] += value * second[place * inputs + input] }
          }
        }
      }
    }
    added.add(to: values, elements: elements)
  }
}

/// For patches in which a row of the result depends on the same row of the weight only.
enum WholeRows {
  /// Calls `change` for each row with its old values and a copy, which it overwrites with the new ones. The elements
  /// that were asked for are written to `values`.
  static func apply(
    to values: UnsafeMutableBufferPointer<Float>, elements: Range<Int>, of weight: StoredTensor,
    change: (UnsafeBufferPointer<Float>, UnsafeMutableBufferPointer<Float>) throws -> Void
  ) throws {
    let width = weight.shape.dropFirst().reduce(1, *)
    guard width > 0, !elements.isEmpty else { return }
    try withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * width) { scratch in
      let old = UnsafeMutableBufferPointer(rebasing: scratch[..<width])
      let new = UnsafeMutableBufferPointer(rebasing: scratch[width...])
      for row in elements.lowerBound / width...(elements.upperBound - 1) / width {
        let whole = row * width..<(row + 1) * width
        let wanted = whole.clamped(to: elements)
        let place = wanted.lowerBound - elements.lowerBound
        if wanted == whole {
          _ = old.update(fromContentsOf: values[place..<place + width])
        } else {
          try weight.read(into: old, elements: whole)
        }
        _ = new.update(fromContentsOf: old)
        try change(UnsafeBufferPointer(old), new)
        let inside = wanted.lowerBound - whole.lowerBound
        for index in 0..<wanted.count { values[place + index] = new[inside + index] }
      }
    }
  }
}
