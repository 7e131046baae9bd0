import CKernels

extension Compute {
  /// Elements that one task of an elementwise operation handles at most.
  static let elementGrain = 1 << 15

  /// The activation function of a layer.
  package enum Activation: Sendable {
    /// x · sigmoid(x).
    case silu
    /// x · Φ(x), by erf.
    case gelu
    /// x · sigmoid(1.702 x).
    case quickGELU
    /// max(x, 0).
    case relu
  }

  /// The activation of every element.
  package func activate(_ x: Tensor, _ activation: Activation) -> Tensor {
    let timing = self.timing(.elementwise, "activation")
    defer { timing?.end() }
    return map(x) { source, result, count in
      switch activation {
      case .silu: segmoe_silu(source, result, count)
      case .gelu: segmoe_gelu(source, result, count)
      case .quickGELU: segmoe_quick_gelu(source, result, count)
      case .relu: segmoe_relu(source, result, count)
      }
    }
  }

  /// a + b, of equal shape.
  package func add(_ a: Tensor, _ b: Tensor) -> Tensor {
    var result = a
    accumulate(b, into: &result)
    return result
  }

  /// result += scale · x, of equal shape.
  package func accumulate(_ x: Tensor, scale: Float = 1, into result: inout Tensor) {
    let timing = self.timing(.elementwise, "sum")
    defer { timing?.end() }
    precondition(x.count == result.count, "adding \(x.shape) to \(result.shape)")
    change(&result) { result, _ in
      x.withUnsafe { x in
        guard let source = x.baseAddress, let target = result.baseAddress else { return }
        forEachRange(x.count, grain: Self.elementGrain, unit: 64) { range in
          segmoe_add_scaled(source + range.lowerBound, scale, target + range.lowerBound, range.count)
        }
      }
    }
  }

  /// Adds row `b` of `rows` `[batch, channel]` to every position of image `b` in
  /// `x` `[batch, …, channel]`.
  package func addRows(_ rows: Tensor, to x: inout Tensor) {
    let timing = self.timing(.elementwise, "sum of rows")
    defer { timing?.end() }
    let (batch, channels) = (rows.shape[0], rows.shape[1])
    let positions = x.count / rows.count
    change(&x) { x, _ in
      rows.withUnsafe { rows in
        guard let rows = rows.baseAddress, let x = x.baseAddress else { return }
        forEachRange(batch * positions, grain: max(1, Self.elementGrain / channels)) { range in
          for position in range {
            segmoe_add_row(
              rows + position / positions * channels, x + position * channels, 1, channels)
          }
        }
      }
    }
  }

  /// result += row r of `x` times `weights[r]`; `x` and `result` are `[…, width]` of equal shape.
  package func accumulate(_ x: Tensor, rowWeights weights: [Float], into result: inout Tensor) {
    let timing = self.timing(.elementwise, "weighted sum")
    defer { timing?.end() }
    change(&result) { result, _ in
      precondition(x.count == result.count && weights.count > 0, "rows of \(x.shape)")
      let rows = weights.count
      let width = x.count / rows
      weights.withUnsafeBufferPointer { weights in
        x.withUnsafe { x in
          guard let x = x.baseAddress, let weights = weights.baseAddress,
            let result = result.baseAddress
          else { return }
          forEachRange(rows, grain: max(1, Self.elementGrain / width)) { range in
            segmoe_add_weighted_rows(
              x + range.lowerBound * width, weights + range.lowerBound,
              result + range.lowerBound * width, range.count, width)
          }
        }
      }
    }
  }

  /// `a` and `b` side by side along the channel axis: `[…, ca]` and `[…, cb]` to `[…, ca + cb]`.
  package func concatenateChannels(_ a: Tensor, _ b: Tensor) -> Tensor {
    let timing = self.timing(.elementwise, "concatenation")
    defer { timing?.end() }
    var shape = a.shape
    let ca = shape[shape.count - 1]
    let cb = b.shape[b.shape.count - 1]
    shape[shape.count - 1] = ca + cb
    let rows = a.count / ca
    precondition(rows == b.count / cb, "concatenating \(a.shape) and \(b.shape)")
    return tensor(shape: shape) { result in
      a.withUnsafe { a in
        b.withUnsafe { b in
          guard let a = a.baseAddress, let b = b.baseAddress, let result = result.baseAddress
          else { return }
          forEachRange(rows, grain: max(1, Self.elementGrain / (ca + cb))) { range in
            for row in range {
              (result + row * (ca + cb)).update(from: a + row * ca, count: ca)
              (result + row * (ca + cb) + ca).update(from: b + row * cb, count: cb)
            }
          }
        }
      }
    }
  }

  private func map(
    _ x: Tensor, _ body: (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
  ) -> Tensor {
    tensor(shape: x.shape) { result in
      x.withUnsafe { x in
        guard let source = x.baseAddress, let result = result.baseAddress else { return }
        forEachRange(x.count, grain: Self.elementGrain, unit: 64) { range in
          body(source + range.lowerBound, result + range.lowerBound, range.count)
        }
      }
    }
  }
}
