import Tensors

/// The change that an adapter makes to one weight, given by its factors. The weight is seen as a matrix `[out, rest]`;
/// for a convolution, rest is in × height × width. The product is never stored as a whole.
struct AdapterDelta: WeightPatch {
  private let form: Form
  /// The factor of the product: weight · alpha / rank.
  private let scale: Float

  /// A product of two thin matrices: up `[rows, rank]`, down `[rank, columns]`.
  struct LowRank: Sendable {
    let up: Tensor
    let down: Tensor
    var rows: Int { up.shape[0] }
    var columns: Int { down.shape[1] }
    var rank: Int { down.shape[0] }
  }

  enum Form: Sendable {
    /// LoRA: up · down.
    case lowRank(LowRank)
    /// LoHa: the products of two pairs, multiplied element by element.
    case hadamard(LowRank, LowRank)
    /// LoKr: the Kronecker product of `[a, b]` and `[c, d]`.
    case kronecker(Tensor, Tensor)
  }

  /// `scale` is weight · alpha / rank.
  init(form: Form, scale: Float) {
    self.form = form
    self.scale = scale
  }

  var rows: Int {
    switch form {
    case .lowRank(let pair), .hadamard(let pair, _): pair.rows
    case .kronecker(let outer, let inner): outer.shape[0] * inner.shape[0]
    }
  }

  var columns: Int {
    switch form {
    case .lowRank(let pair), .hadamard(let pair, _): pair.columns
    case .kronecker(let outer, let inner): outer.shape[1] * inner.shape[1]
    }
  }

  func apply(
    to values: UnsafeMutableBufferPointer<Float>, elements: Range<Int>, of weight: StoredTensor
  ) throws {
    add(to: values, elements: elements)
  }

  /// Adds weight · alpha / rank · (the product of the factors) to a range of elements.
  func add(to values: UnsafeMutableBufferPointer<Float>, elements: Range<Int>) {
    let columns = columns
    guard columns > 0, !elements.isEmpty else { return }
    withUnsafeTemporaryAllocation(of: Float.self, capacity: 2 * columns) { scratch in
      var element = elements.lowerBound
      while element < elements.upperBound {
        let row = element / columns
        let first = element % columns
        let end = min(columns, first + elements.upperBound - element)
        let change = UnsafeMutableBufferPointer(rebasing: scratch[..<(end - first)])
        let other = UnsafeMutableBufferPointer(rebasing: scratch[columns..<(columns + end - first)])
        fill(change, row: row, columns: first..<end, scratch: other)
        let place = element - elements.lowerBound
        for index in 0..<change.count { values[place + index] += scale * change[index] }
        element += change.count
      }
    }
  }

  /// Writes a part of one row of the unscaled change.
  private func fill(
    _ change: UnsafeMutableBufferPointer<Float>, row: Int, columns: Range<Int>,
    scratch: UnsafeMutableBufferPointer<Float>
  ) {
    switch form {
    case .lowRank(let pair):
      pair.fill(change, row: row, columns: columns)
    case .hadamard(let first, let second):
      first.fill(change, row: row, columns: columns)
      second.fill(scratch, row: row, columns: columns)
      for index in 0..<change.count { change[index] *= scratch[index] }
    case .kronecker(let outer, let inner):
      let (innerRows, innerColumns, outerColumns) = (inner.shape[0], inner.shape[1], outer.shape[1])
      outer.withUnsafe { outer in
        inner.withUnsafe { inner in
          for (place, column) in columns.enumerated() {
            let factor = outer[row / innerRows * outerColumns + column / innerColumns]
            change[place] = factor * inner[row % innerRows * innerColumns + column % innerColumns]
          }
        }
      }
    }
  }
}

extension AdapterDelta.LowRank {
  fileprivate func fill(_ change: UnsafeMutableBufferPointer<Float>, row: Int, columns: Range<Int>) {
    let (rank, width) = (rank, self.columns)
    change.update(repeating: 0)
    up.withUnsafe { up in
      down.withUnsafe { down in
        for inner in 0..<rank {
          let factor = up[row * rank + inner]
          let source = UnsafeBufferPointer(rebasing: down[(inner * width + columns.lowerBound)...])
          for index in 0..<change.count { change[index] += factor * source[index] }
        }
      }
    }
  }
}
