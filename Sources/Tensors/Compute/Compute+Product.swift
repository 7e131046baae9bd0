import COpenBLAS

/// A matrix in memory: rows of `columns` floats, one behind the other.
private struct MatrixView {
  let base: UnsafePointer<Float>
  let rows: Int
  let columns: Int

  /// Some of its rows.
  func rows(from first: Int, count: Int) -> MatrixView {
    MatrixView(base: base + first * columns, rows: count, columns: columns)
  }
}

/// result = a · bᵀ on the calling thread; rows of the result are `stride` floats apart.
private func multiply(
  _ a: MatrixView, transposed b: MatrixView, into result: UnsafeMutablePointer<Float>, stride: Int
) {
  guard a.rows > 0, b.rows > 0 else { return }
  cblas_sgemm(
    CblasRowMajor, CblasNoTrans, CblasTrans, Int32(a.rows), Int32(b.rows), Int32(a.columns), 1, a.base,
    Int32(a.columns), b.base, Int32(b.columns), 0, result, Int32(stride))
}

extension Compute {
  /// Rows of a product that one task computes. Large enough that OpenBLAS's packing of the
  /// weights, done anew by each task, is small beside the product itself.
  static let productRows = 384

  /// x · weightᵀ.
  /// - Parameters:
  ///   - x: `[…, in]`.
  ///   - weight: `[out, in]`, as torch keeps a linear layer.
  /// - Returns: `[…, out]`.
  package func linear(_ x: Tensor, weight: Tensor) -> Tensor {
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
            MatrixView(base: x, rows: rows, columns: inputs),
            MatrixView(base: weight, rows: outputs, columns: inputs), into: result)
        }
      }
    }
  }

  /// x · weightᵀ on the pool, cut into blocks.
  private func product(_ x: MatrixView, _ weight: MatrixView, into result: UnsafeMutablePointer<Float>) {
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
        x.rows(from: row, count: rows), transposed: weight.rows(from: column, count: columns),
        into: target, stride: weight.rows)
    }
    if small {
      for task in 0..<rowBlocks * columnBlocks { body(task) }
    } else {
      pool.run(rowBlocks * columnBlocks, body)
    }
  }
}
