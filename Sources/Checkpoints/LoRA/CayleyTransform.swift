import Tensors

/// Rotations from skew-symmetric matrices (Cayley, 1846). OFT and BOFT store square blocks. The skew parts of the
/// blocks give the rotations.
enum CayleyTransform {
  /// Square matrices in double precision, `[blocks, width, width]`.
  struct Blocks {
    let count: Int
    let width: Int
    var values: [Double]

    /// The skew part of each block, times `factor`: Q − Qᵀ.
    init(skewOf tensor: Tensor, count: Int, width: Int, factor: Double = 1) {
      self.count = count
      self.width = width
      values = [Double](repeating: 0, count: count * width * width)
      tensor.withUnsafe { source in
        for block in 0..<count {
          let base = block * width * width
          for row in 0..<width {
            for column in 0..<width {
              let difference =
                Double(source[base + row * width + column]) - Double(source[base + column * width + row])
              values[base + row * width + column] = factor * difference
            }
          }
        }
      }
    }

    /// Skew matrices from their entries above the diagonal, row by row: `[blocks, width · (width − 1) / 2]`.
    init(above tensor: Tensor, count: Int, width: Int) {
      self.count = count
      self.width = width
      values = [Double](repeating: 0, count: count * width * width)
      let stored = tensor.values
      var place = 0
      for block in 0..<count {
        let base = block * width * width
        for row in 0..<width {
          for column in row + 1..<max(width, row + 1) {
            values[base + row * width + column] = Double(stored[place])
            values[base + column * width + row] = -Double(stored[place])
            place += 1
          }
        }
      }
    }

    /// The Frobenius norm of all values or of a range of them.
    func norm(_ range: Range<Int>? = nil) -> Double {
      values[range ?? 0..<values.count].reduce(0) { $0 + $1 * $1 }.squareRoot()
    }

    /// Where a block's values are.
    func range(_ block: Int) -> Range<Int> { block * width * width..<(block + 1) * width * width }
  }

  /// (I + Q)·(I − Q)⁻¹ of each skew block. With Q skew, I − Q always has an inverse.
  static func rotations(_ skew: Blocks) -> Blocks {
    var result = skew
    let width = skew.width
    for block in 0..<skew.count {
      let part = skew.range(block)
      // (I − Q)ᵀ = I + Q, so that X·(I − Q) = I + Q says (I + Q)·Xᵀ = I − Q: one elimination.
      var left = Array(skew.values[part])
      var right = left.map { -$0 }
      for place in 0..<width {
        left[place * width + place] += 1
        right[place * width + place] += 1
      }
      eliminate(&left, &right, width)
      for row in 0..<width {
        for column in 0..<width {
          result.values[part.lowerBound + row * width + column] = right[column * width + row]
        }
      }
    }
    return result
  }

  /// (I − Q)·(I + Q)⁻¹, PEFT's form.
  static func peft(_ skew: Blocks) -> Blocks {
    var negative = skew
    for place in negative.values.indices { negative.values[place].negate() }
    return rotations(negative)
  }

  /// Solves left · x = right by Gauss-Jordan elimination with pivoting. The result is in `right`.
  private static func eliminate(_ left: inout [Double], _ right: inout [Double], _ width: Int) {
    left.withUnsafeMutableBufferPointer { left in
      right.withUnsafeMutableBufferPointer { right in
        for step in 0..<width {
          var pivot = step
          for row in step..<width where abs(left[row * width + step]) > abs(left[pivot * width + step]) {
            pivot = row
          }
          if pivot != step {
            for column in 0..<width {
              left.swapAt(step * width + column, pivot * width + column)
              right.swapAt(step * width + column, pivot * width + column)
            }
          }
          let divisor = left[step * width + step]
          guard divisor != 0 else { continue }
          for column in 0..<width {
            left[step * width + column] /= divisor
            right[step * width + column] /= divisor
          }
          for row in 0..<width where row != step && left[row * width + step] != 0 {
            let factor = left[row * width + step]
            for column in 0..<width {
              left[row * width + column] -= factor * left[step * width + column]
              right[row * width + column] -= factor * right[step * width + column]
            }
          }
        }
      }
    }
  }

  /// PEFT's series instead of the inverse, with `terms` terms: I + 2Q + 2Q² + …, where the last term counts once.
  static func series(_ skew: Blocks, terms: Int) -> Blocks {
    var result = skew
    let width = skew.width
    for block in 0..<skew.count {
      let part = skew.range(block)
      let q = Array(skew.values[part])
      var sum = [Double](repeating: 0, count: q.count)
      for place in 0..<width { sum[place * width + place] = 1 }
      var power = q
      if terms > 1 { for place in q.indices { sum[place] += 2 * q[place] } }
      if terms > 2 {
        power = product(q, q, width)
        for place in q.indices { sum[place] += 2 * power[place] }
        if terms > 4 {
          for _ in 3..<terms - 1 {
            power = product(power, q, width)
            for place in q.indices { sum[place] += 2 * power[place] }
          }
        }
        power = product(power, q, width)
        for place in q.indices { sum[place] += power[place] }
      }
      result.values.replaceSubrange(part, with: sum)
    }
    return result
  }

  private static func product(_ a: [Double], _ b: [Double], _ width: Int) -> [Double] {
    var result = [Double](repeating: 0, count: a.count)
    for row in 0..<width {
      for inner in 0..<width {
        let factor = a[row * width + inner]
        for column in 0..<width { result[row * width + column] += factor * b[inner * width + column] }
      }
    }
    return result
  }
}

extension CayleyTransform.Blocks {
  /// The rotations weakened by `strength`, s·R + (1 − s)·I, or their transposes.
  func tensor(strength: Float, isTransposed: Bool) -> Tensor {
    Tensor(shape: [count, width, width]) { result in
      for block in 0..<count {
        let base = block * width * width
        for row in 0..<width {
          for column in 0..<width {
            let source = isTransposed ? column * width + row : row * width + column
            let value = Double(strength) * values[base + source] + (row == column ? 1 - Double(strength) : 0)
            result[base + row * width + column] = Float(value)
          }
        }
      }
    }
  }
}
