import Tensors

/// OFT (Qiu et al., 2023) and BOFT (Liu et al., 2024): blocks of a layer's outputs, or of its inputs, are rotated.
/// BOFT rotates several times, each time with the channels in another order.
struct RotationPatch: WeightPatch {
  /// One rotation: a block-diagonal matrix and the order of the channels.
  struct Stage: Sendable {
    /// `[blocks, width, width]`: the rotation of each block.
    let blocks: Tensor
    /// Which channel is at each place; nil if channels keep their order.
    let order: [Int]?

    var width: Int { blocks.shape[1] }
  }

  let stages: [Stage]
  let axis: DecomposedPatch.Axis
  /// Factors of the outputs after all rotations; nil for none.
  let outputScales: [Float]?

  /// Whether reading a part of the weight needs all of it.
  var readsWhole: Bool { axis == .output && (stages.count > 1 || stages.contains { $0.order != nil }) }

  func apply(
    to values: UnsafeMutableBufferPointer<Float>, elements: Range<Int>, of weight: StoredTensor
  ) throws {
    let width = weight.shape.dropFirst().reduce(1, *)
    guard width > 0, !elements.isEmpty else { return }
    switch axis {
    case .input:
      try WholeRows.apply(to: values, elements: elements, of: weight) { row, result in
        for stage in stages { Self.turn(stage, result, rows: width, columns: 1) }
      }
    case .output:
      let rows = rows(for: elements.lowerBound / width..<(elements.upperBound - 1) / width + 1, of: weight)
      let first = rows.lowerBound * width
      var matrix: [Float]
      if elements == first..<rows.upperBound * width {
        matrix = Array(values)
      } else {
        matrix = try weight.elements(first..<rows.upperBound * width)
      }
      matrix.withUnsafeMutableBufferPointer { matrix in
        for stage in stages {
          Self.turn(
            stage, matrix, rows: rows.count, columns: width, firstBlock: rows.lowerBound / stage.width)
        }
        for index in values.indices { values[index] = matrix[elements.lowerBound - first + index] }
      }
    }
    if let outputScales {
      for (index, element) in elements.enumerated() { values[index] *= outputScales[element / width] }
    }
  }

  /// The rows from which the rows `asked` are computed.
  private func rows(for asked: Range<Int>, of weight: StoredTensor) -> Range<Int> {
    guard !readsWhole, let width = stages.first?.width else { return 0..<weight.shape[0] }
    return asked.lowerBound / width * width..<(asked.upperBound + width - 1) / width * width
  }

  /// Rotates the rows of a matrix `[rows, columns]` in place.
  private static func turn(
    _ stage: Stage, _ matrix: UnsafeMutableBufferPointer<Float>, rows: Int, columns: Int, firstBlock: Int = 0
  ) {
    let width = stage.width
    withUnsafeTemporaryAllocation(of: Float.self, capacity: width * columns) { made in
      stage.blocks.withUnsafe { blocks in
        for block in 0..<rows / width {
          made.update(repeating: 0)
          let factors = UnsafeBufferPointer(rebasing: blocks[((firstBlock + block) * width * width)...])
          for to in 0..<width {
            for from in 0..<width {
              let factor = factors[to * width + from]
              let source = (stage.order?[block * width + from] ?? block * width + from) * columns
              for column in 0..<columns { made[to * columns + column] += factor * matrix[source + column] }
            }
          }
          for to in 0..<width {
            let target = (stage.order?[block * width + to] ?? block * width + to) * columns
            for column in 0..<columns { matrix[target + column] = made[to * columns + column] }
          }
        }
      }
    }
  }
}
