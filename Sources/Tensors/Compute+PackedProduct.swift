import CKernels

/// What is done to a product before it is stored: bias, activation, row weights, sum; in this order.
package struct ProductFinish {
  /// `[out]`; of a gated weight `[2·out]`.
  package var bias: Tensor?
  package var activation: Compute.Activation?
  /// What each row is multiplied with.
  package var rowWeights: [Float]?

  package init(bias: Tensor? = nil, activation: Compute.Activation? = nil, rowWeights: [Float]? = nil) {
    self.bias = bias
    self.activation = activation
    self.rowWeights = rowWeights
  }
}

extension Compute {
  /// Rows of a packed product that one task computes.
  private static let packedRows = 96
  /// Tasks that a product is cut into if its shape allows: enough for many threads to end together.
  private static let packedTasks = 64
  /// Bytes of packed weights that go by all rows before the next come: a share of a third-level cache.
  private static let packedBytes = 4 << 20

  /// x · weightᵀ, finished.
  /// - Parameter x: `[…, in]`.
  /// - Returns: `[…, out]`.
  package func product(_ x: Tensor, _ weight: PackedWeight, _ finish: ProductFinish = ProductFinish())
    -> Tensor
  {
    var shape = x.shape
    shape[shape.count - 1] = weight.outputs
    let timing = self.timing(.linear, linearLabel(x, weight))
    defer { timing?.end() }
    planPrepared(x, weight, beside: x.count / weight.inputs * weight.outputs)
    return tensor(shape: shape) { result in
      guard let result = result.baseAddress else { return }
      product(x, weight, finish, base: nil, into: result)
    }
  }

  /// sum += x · weightᵀ, finished.
  /// - Parameters:
  ///   - x: `[…, in]`.
  ///   - sum: `[…, out]`.
  package func product(
    _ x: Tensor, _ weight: PackedWeight, _ finish: ProductFinish = ProductFinish(), addedTo sum: inout Tensor
  ) {
    if plan != nil {
      planPrepared(x, weight, beside: 0)
      return sum.planWrite()
    }
    let timing = self.timing(.linear, linearLabel(x, weight))
    defer { timing?.end() }
    sum.withUnsafeMutable { sum in
      guard let sum = sum.baseAddress else { return }
      product(x, weight, finish, base: UnsafePointer(sum), into: sum)
    }
  }

  /// A convolution, channels last, over prepared pixels where they are: nothing is gathered.
  /// - Parameter x: `[batch, height, width, in]`.
  /// - Returns: `[batch, height', width', out]`.
  package func convolution(
    _ x: Tensor, _ weight: PackedWeight, shape: ConvolutionShape, _ finish: ProductFinish = ProductFinish()
  ) -> Tensor {
    let (batch, height, width) = (x.shape[0], x.shape[1], x.shape[2])
    let (outHeight, outWidth) = (shape.outputSize(height), shape.outputSize(width))
    let positions = outHeight * outWidth
    let timing = self.timing(
      .convolution,
      "\(shape.kernel)×\(shape.kernel) \(weight.depth)→\(weight.outputs), \(batch)×\(outHeight)×\(outWidth)")
    defer { timing?.end() }
    planPrepared(x, weight, beside: batch * positions * weight.outputs)
    return tensor(shape: [batch, outHeight, outWidth, weight.outputs]) { result in
      guard let result = result.baseAddress else { return }
      withPrepared(x, weight) { pixels, outside, bytes in
        run(weight, rows: batch * positions, finish, base: nil, into: result) { range, pieces in
          var row = range.lowerBound
          while row < range.upperBound {
            let (image, first) = (row / positions, row % positions)
            let count = min(range.upperBound - row, positions - first)
            var picture = segmoe_picture(
              pixels: pixels + image * height * width * bytes, outside: outside, bytes: bytes, height: height,
              width: width,
              kernel: shape.kernel, stride: shape.stride, before: shape.padding.before, out_width: outWidth)
            segmoe_convolution_pieces(
              &picture, first, count, pieces + (row - range.lowerBound) * weight.pieces)
            row += count
          }
        }
      }
    }
  }

  private func product(
    _ x: Tensor, _ weight: PackedWeight, _ finish: ProductFinish, base: UnsafePointer<Float>?,
    into result: UnsafeMutablePointer<Float>
  ) {
    withPrepared(x, weight) { prepared, _, bytes in
      run(weight, rows: x.count / weight.inputs, finish, base: base, into: result) { range, pieces in
        let first = prepared + range.lowerBound * weight.pieces * bytes
        for index in 0..<range.count * weight.pieces { pieces[index] = first + index * bytes }
      }
    }
  }

  /// Lends `x` rounded or quantized, piece by piece, and a piece of zeros; in single precision as it is.
  private func withPrepared(
    _ x: Tensor, _ weight: PackedWeight,
    _ body: (UnsafeRawPointer, _ zeros: UnsafeRawPointer, _ bytes: Int) -> Void
  ) {
    let isInt8 = weight.precision == .int8
    let bytes = weight.pieceBytes
    if weight.precision == .f32 {
      return withUnsafeTemporaryAllocation(byteCount: bytes, alignment: 64) { zeros in
        zeros.initializeMemory(as: UInt8.self, repeating: 0)
        x.withUnsafe { x in
          guard let x = x.baseAddress, let zeros = zeros.baseAddress else { return }
          body(UnsafeRawPointer(x), UnsafeRawPointer(zeros), bytes)
        }
      }
    }
    let count = x.count / weight.depth
    let block = MemoryBlock(byteCount: (count + 1) * bytes)
    defer { withExtendedLifetime(block) {} }
    let prepared = block.base
    (prepared + count * bytes).initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    x.withUnsafe { x in
      guard let x = x.baseAddress else { return }
      forEachRange(count, grain: max(1, Self.elementGrain / weight.depth)) { range in
        let (source, target) = (x + range.lowerBound * weight.depth, prepared + range.lowerBound * bytes)
        if isInt8 {
          segmoe_int8_prepare(source, range.count, weight.depth, target)
        } else {
          segmoe_bf16_prepare(source, range.count, weight.depth, target)
        }
      }
    }
    body(UnsafeRawPointer(prepared), UnsafeRawPointer(prepared + count * bytes), bytes)
  }

  /// Counts what `withPrepared` takes beside a result of so many elements.
  private func planPrepared(_ x: Tensor, _ weight: PackedWeight, beside elements: Int) {
    let prepared = weight.precision == .f32 ? 0 : (x.count / weight.depth + 1) * weight.pieceBytes
    plan?.touch(prepared + elements * MemoryLayout<Float>.stride)
  }

  /// The product on the pool, cut into tasks by shape alone.
  /// - Parameter locate: writes where the pieces of some rows are.
  private func run(
    _ weight: PackedWeight, rows: Int, _ finish: ProductFinish, base: UnsafePointer<Float>?,
    into result: UnsafeMutablePointer<Float>,
    locate: (Range<Int>, UnsafeMutablePointer<UnsafeRawPointer?>) -> Void
  ) {
    work.add(2 * rows * weight.inputs * weight.outputs * (weight.isGated ? 2 : 1))
    let packing = weight.packing
    let groups = withUnsafePointer(to: packing) { segmoe_groups($0) }
    let blocks = (rows + Self.packedRows - 1) / Self.packedRows
    guard blocks > 0, groups > 0 else { return }
    // Whole tiles of six rows, blocks as equal as that allows.
    let block = ((rows + blocks - 1) / blocks + 5) / 6 * 6
    let parts = min(
      groups,
      max(
        (Self.packedTasks + blocks - 1) / blocks, (weight.byteCount + Self.packedBytes - 1) / Self.packedBytes
      ))
    let stride = weight.outputs
    let product =
      switch weight.precision {
      case .f32: segmoe_f32_product
      case .bf16: segmoe_bf16_product
      case .int8: segmoe_int8_product
      }
    weight.withUnsafe { packed in
      withPointer(to: finish.bias) { bias in
        withPointer(to: finish.rowWeights) { rowWeights in
          pool.run(parts * blocks) { task in
            let (part, first) = (task / blocks, task % blocks * block)
            let range = first..<max(first, min(rows, first + block))
            withUnsafeTemporaryAllocation(of: UnsafeRawPointer?.self, capacity: range.count * weight.pieces) {
              guard let pieces = $0.baseAddress else { return }
              locate(range, pieces)
              var finish = segmoe_finish(
                bias: bias, bend: finish.bend, row_weights: rowWeights.map { $0 + first },
                base: base.map { $0 + first * stride })
              withUnsafePointer(to: packing) { packing in
                product(
                  packing, packed, pieces, range.count, part * groups / parts, (part + 1) * groups / parts,
                  &finish, result + first * stride, stride)
              }
            }
          }
        }
      }
    }
  }

  private func linearLabel(_ x: Tensor, _ weight: PackedWeight) -> String {
    let outputs = weight.isGated ? "2·\(weight.outputs)" : "\(weight.outputs)"
    return "\(weight.inputs)→\(outputs), \(x.count / weight.inputs) rows"
  }

  private func withPointer<R>(to tensor: Tensor?, _ body: (UnsafePointer<Float>?) -> R) -> R {
    guard let tensor else { return body(nil) }
    return tensor.withUnsafe { body($0.baseAddress) }
  }

  private func withPointer<R>(to values: [Float]?, _ body: (UnsafePointer<Float>?) -> R) -> R {
    guard let values else { return body(nil) }
    return values.withUnsafeBufferPointer { body($0.baseAddress) }
  }
}

extension ProductFinish {
  fileprivate var bend: segmoe_bend {
    switch activation {
    case nil: SEGMOE_BEND_NONE
    case .silu: SEGMOE_BEND_SILU
    case .gelu: SEGMOE_BEND_GELU
    case .quickGELU: SEGMOE_BEND_QUICK_GELU
    case .relu: SEGMOE_BEND_RELU
    }
  }
}
