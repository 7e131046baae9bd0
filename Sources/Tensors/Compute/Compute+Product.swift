import CKernels
import COpenBLAS

/// A matrix in memory: rows of `columns` floats, `stride` apart.
package struct MatrixView {
  package let base: UnsafePointer<Float>
  package let rows: Int
  package let columns: Int
  package let stride: Int

  package init(_ base: UnsafePointer<Float>, rows: Int, columns: Int, stride: Int? = nil) {
    self.base = base
    self.rows = rows
    self.columns = columns
    self.stride = stride ?? columns
  }
}

/// result = scale · a · b, or a · bᵀ if `transposed`, on the calling thread.
/// - Parameters:
///   - a: the left matrix.
///   - b: the right matrix.
///   - transposed: multiply by bᵀ.
///   - scale: the factor of the product.
///   - accumulate: add to what `result` holds instead of overwriting it.
///   - result: the first row of the result.
///   - stride: floats from one row of the result to the next.
package func multiply(
  _ a: MatrixView, _ b: MatrixView, transposed: Bool, scale: Float = 1, accumulate: Bool = false,
  into result: UnsafeMutablePointer<Float>, stride: Int
) {
  let columns = transposed ? b.rows : b.columns
  guard a.rows > 0, columns > 0 else { return }
  cblas_sgemm(
    CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans,
    Int32(a.rows), Int32(columns), Int32(a.columns), scale, a.base, Int32(a.stride), b.base,
    Int32(b.stride), accumulate ? 1 : 0, result, Int32(stride))
}

extension Compute {
  /// Rows of a product that one task computes. Large enough that OpenBLAS's packing of the
  /// weights, done anew by each task, is small beside the product itself.
  static let productRows = 384

  /// x · weightᵀ + bias.
  /// - Parameters:
  ///   - x: `[…, in]`.
  ///   - weight: `[out, in]`, as torch keeps a linear layer.
  ///   - bias: `[out]`.
  /// - Returns: `[…, out]`.
  package func linear(_ x: Tensor, weight: Tensor, bias: Tensor? = nil) -> Tensor {
    let inputs = weight.shape[1]
    let outputs = weight.shape[0]
    let rows = x.count / inputs
    let timing = self.timing(.linear, "\(inputs)→\(outputs), \(rows) rows")
    defer { timing?.end() }
    var shape = x.shape
    shape[shape.count - 1] = outputs
    return tensor(shape: shape) { result in
      x.withUnsafe { x in
        weight.withUnsafe { weight in
          guard let x = x.baseAddress, let weight = weight.baseAddress,
            let result = result.baseAddress
          else { return }
          product(
            MatrixView(x, rows: rows, columns: inputs),
            MatrixView(weight, rows: outputs, columns: inputs), bias: bias, into: result)
        }
      }
    }
  }

  /// x · weightᵀ + bias on the pool, cut into blocks by shape alone.
  func product(
    _ x: MatrixView, _ weight: MatrixView, bias: Tensor?, into result: UnsafeMutablePointer<Float>
  ) {
    work.add(2 * x.rows * x.columns * weight.rows)
    let rowBlocks = (x.rows + Self.productRows - 1) / Self.productRows
    // Few rows (a time embedding, a small picture): share out the columns as well.
    let columnBlock = rowBlocks >= 4 ? weight.rows : max(64, (weight.rows + 3) / 4)
    let columnBlocks = (weight.rows + columnBlock - 1) / columnBlock
    let small = x.rows * x.columns * weight.rows < 1 << 18
    let body = { (task: Int) in
      let row = task / columnBlocks * Self.productRows
      let column = task % columnBlocks * columnBlock
      let rows = min(Self.productRows, x.rows - row)
      let columns = min(columnBlock, weight.rows - column)
      let target = result + row * weight.rows + column
      multiply(
        MatrixView(x.base + row * x.stride, rows: rows, columns: x.columns, stride: x.stride),
        MatrixView(
          weight.base + column * weight.stride, rows: columns, columns: weight.columns,
          stride: weight.stride),
        transposed: true, into: target, stride: weight.rows)
      bias?.withUnsafe { bias in
        guard let bias = bias.baseAddress else { return }
        for r in 0..<rows { segmoe_add_row(bias + column, target + r * weight.rows, 1, columns) }
      }
    }
    if small {
      for task in 0..<rowBlocks * columnBlocks { body(task) }
    } else {
      pool.run(rowBlocks * columnBlocks, body)
    }
  }
}
