import CKernels

/// What is done to a product before it is stored: bias, activation, row weights and sum, in this order.
package struct ProductEpilogue {
  /// `[out]`; of a gated weight `[2·out]`.
  package var bias: Tensor?
  package var activation: Compute.Activation?
  /// A factor for each row.
  package var rowWeights: [Float]?

  package init(bias: Tensor? = nil, activation: Compute.Activation? = nil, rowWeights: [Float]? = nil) {
    self.bias = bias
    self.activation = activation
    self.rowWeights = rowWeights
  }
}

extension Compute {
  /// Bytes of prepared rows that a task may keep for itself: a share of a second-level cache.
  private static let preparedBytes = 1 << 20
  /// Elements between two steps of preparing: a share of a first-level cache.
  private static let passedElements = 1 << 12

  /// x · weightᵀ, with the epilogue.
  /// - Parameters:
  ///   - x: `[…, in]`.
  ///   - weight: `[out, in]`, packed.
  ///   - epilogue: applied to the sums.
  /// - Returns: `[…, out]`.
  package func product(_ x: Tensor, _ weight: PackedWeight, _ epilogue: ProductEpilogue = ProductEpilogue())
    -> Tensor
  {
    var shape = x.shape
    shape[shape.count - 1] = weight.outputs
    let timing = self.timing(.linear, linearLabel(x, weight))
    defer { timing?.end() }
    return tensor(shape: shape, temporary: preparedBytes(x, weight, asLinear: true)) { result, prepared in
      guard let result = result.baseAddress else { return }
      product(x, weight, epilogue, residual: nil, prepared: prepared, into: result)
    }
  }

  /// sum += x · weightᵀ, with the epilogue.
  /// - Parameters:
  ///   - x: `[…, in]`.
  ///   - weight: `[out, in]`, packed.
  ///   - epilogue: applied to the product before it is added.
  ///   - sum: `[…, out]`.
  package func product(
    _ x: Tensor, _ weight: PackedWeight, _ epilogue: ProductEpilogue = ProductEpilogue(),
    addedTo sum: inout Tensor
  ) {
    let timing = self.timing(.linear, linearLabel(x, weight))
    defer { timing?.end() }
    let bytes = preparedBytes(x, weight, asLinear: true)
    guard plan == nil, sum.isShared() else {
      return change(&sum, temporary: bytes) { sum, prepared in
        guard let sum = sum.baseAddress else { return }
        product(x, weight, epilogue, residual: UnsafePointer(sum), prepared: prepared, into: sum)
      }
    }
    // One thread would copy it first. So the old one is read where it is.
    let old = sum
    sum = tensor(shape: old.shape, temporary: bytes) { result, prepared in
      old.withUnsafe { old in
        guard let result = result.baseAddress else { return }
        product(x, weight, epilogue, residual: old.baseAddress, prepared: prepared, into: result)
      }
    }
  }

  /// A convolution, channels last. It reads the prepared pixels where they are; nothing is gathered.
  /// - Parameters:
  ///   - x: `[batch, height, width, in]`.
  ///   - weight: `[out, taps·in]`, packed.
  ///   - shape: kernel, stride and padding.
  ///   - affine: what is done to `x` on the way in.
  ///   - epilogue: applied to the sums.
  ///   - residual: added to the result; of its shape.
  ///   - size: enlarges `x` to this size on the way in, as `resizeNearest` does.
  /// - Returns: `[batch, height', width', out]`.
  package func convolution(
    _ x: Tensor, _ weight: PackedWeight, shape: ConvolutionShape, after affine: ChannelAffine? = nil,
    _ epilogue: ProductEpilogue = ProductEpilogue(), adding residual: Tensor? = nil,
    enlargedTo size: (height: Int, width: Int)? = nil
  ) -> Tensor {
    // In single precision pixels are read where they are, each once for every tap.
    if let affine, weight.precision == .f32 {
      return convolution(
        apply(affine, to: x), weight, shape: shape, epilogue, adding: residual, enlargedTo: size)
    }
    let stored = (height: x.shape[1], width: x.shape[2])
    let (batch, height, width) = (x.shape[0], size?.height ?? stored.height, size?.width ?? stored.width)
    let (outHeight, outWidth) = (shape.outputSize(height), shape.outputSize(width))
    let positions = outHeight * outWidth
    let timing = self.timing(
      .convolution,
      "\(shape.kernel)×\(shape.kernel) \(weight.depth)→\(weight.outputs), \(batch)×\(outHeight)×\(outWidth)")
    defer { timing?.end() }
    return tensor(
      shape: [batch, outHeight, outWidth, weight.outputs],
      temporary: preparedBytes(x, weight, asLinear: false)
    ) { result, prepared in
      guard let result = result.baseAddress else { return }
      withPrepared(x, weight, after: affine, in: prepared) { pixels, outside, bytes in
        let pictures = Pictures(
          pixels: pixels, outside: outside, bytes: bytes, height: height, width: width, stored: stored,
          shape: shape)
        Self.withPointer(to: residual) { residual in
          weight.withColumns {
            run(
              $0, rows: batch * positions, epilogue, residual: residual, into: result,
              locate: pictures.locate)
          }
        }
      }
    }
  }

  private func product(
    _ x: Tensor, _ weight: PackedWeight, _ epilogue: ProductEpilogue, residual: UnsafePointer<Float>?,
    prepared: UnsafeMutableRawPointer, into result: UnsafeMutablePointer<Float>
  ) {
    let (rows, bytes) = (x.count / weight.inputs, weight.segmentBytes)
    func point(_ segments: UnsafeMutablePointer<UnsafeRawPointer?>, at first: UnsafeRawPointer, rows: Int) {
      for index in 0..<rows * weight.segments { segments[index] = first + index * bytes }
    }
    guard preparesInTasks(weight, rows: rows) else {
      return withPrepared(x, weight, in: prepared) { prepared, _, _ in
        weight.withColumns {
          run($0, rows: rows, epilogue, residual: residual, into: result) { range, segments, _ in
            point(segments, at: prepared + range.lowerBound * weight.segments * bytes, rows: range.count)
          }
        }
      }
    }
    x.withUnsafe { x in
      guard let x = x.baseAddress else { return }
      weight.withColumns {
        run(
          $0, rows: rows, epilogue, residual: residual, into: result, rowBytes: weight.segments * bytes
        ) { range, segments, prepared in
          let count = range.count * weight.segments
          prologue(x + range.lowerBound * weight.inputs, count: count, for: weight, into: prepared)
          point(segments, at: prepared, rows: range.count)
        }
      }
    }
  }

  /// Whether each task prepares its own rows. If a task computes all columns, no row is prepared twice, and the rows
  /// are still in its cache when they are multiplied.
  private func preparesInTasks(_ weight: PackedWeight, rows: Int) -> Bool {
    let cut = ProductCut(
      weight.packing, byteCount: weight.byteCount, rows: rows, isReduced: weight.precision != .f32, self)
    return weight.precision != .f32 && cut.parts == 1
      && cut.block * weight.segments * weight.segmentBytes <= Self.preparedBytes
  }

  /// Rounds or quantizes segments that lie side by side.
  private func prologue(
    _ source: UnsafePointer<Float>, count: Int, for weight: PackedWeight, into target: UnsafeMutableRawPointer
  ) {
    if weight.precision == .int8 {
      segmoe_int8_prologue(source, count, weight.depth, target)
    } else {
      segmoe_bf16_prologue(source, count, weight.depth, target)
    }
  }

  /// Lends `x`, rounded or quantized segment by segment, and a segment of zeros. In single precision `x` is lent
  /// unchanged.
  /// - Parameters:
  ///   - affine: what is done to `x` before, in reduced precision; a segment is then a position.
  ///   - prepared: `preparedBytes` to work in.
  private func withPrepared(
    _ x: Tensor, _ weight: PackedWeight, after affine: ChannelAffine? = nil,
    in prepared: UnsafeMutableRawPointer,
    _ body: (UnsafeRawPointer, _ zeros: UnsafeRawPointer, _ bytes: Int) -> Void
  ) {
    let (bytes, depth) = (weight.segmentBytes, weight.depth)
    if weight.precision == .f32 { return Self.withZeros(beside: x, bytes: bytes) { body($0, $1, bytes) } }
    precondition(affine.map { $0.channels == depth } ?? true, "an affine of other channels than \(depth)")
    let count = x.count / depth
    (prepared + count * bytes).initializeMemory(as: UInt8.self, repeating: 0, count: bytes)
    x.withUnsafe { x in
      guard let x = x.baseAddress else { return }
      forEachRange(count, grain: max(1, Self.elementGrain / depth)) { range in
        guard let affine else {
          return prologue(
            x + range.lowerBound * depth, count: range.count, for: weight,
            into: prepared + range.lowerBound * bytes)
        }
        // Few at a time: they stay in a first-level cache in between.
        let few = max(1, Self.passedElements / depth)
        let passed = ThreadPool.scratch(few * depth)
        for first in stride(from: range.lowerBound, to: range.upperBound, by: few) {
          let some = first..<min(first + few, range.upperBound)
          affine.apply(to: x + first * depth, positions: some, into: passed)
          prologue(passed, count: some.count, for: weight, into: prepared + first * bytes)
        }
      }
    }
    body(UnsafeRawPointer(prepared), UnsafeRawPointer(prepared + count * bytes), bytes)
  }

  /// Lends `x` unchanged, and `bytes` bytes of zeros.
  static func withZeros(
    beside x: Tensor, bytes: Int, _ body: (UnsafeRawPointer, _ zeros: UnsafeRawPointer) -> Void
  ) {
    withUnsafeTemporaryAllocation(byteCount: bytes, alignment: 64) { zeros in
      zeros.initializeMemory(as: UInt8.self, repeating: 0)
      x.withUnsafe { x in
        guard let x = x.baseAddress, let zeros = zeros.baseAddress else { return }
        body(UnsafeRawPointer(x), UnsafeRawPointer(zeros))
      }
    }
  }

  /// Bytes that `withPrepared` works in.
  private func preparedBytes(_ x: Tensor, _ weight: PackedWeight, asLinear: Bool) -> Int {
    let inTasks = asLinear && preparesInTasks(weight, rows: x.count / weight.inputs)
    return weight.precision == .f32 || inTasks ? 0 : (x.count / weight.depth + 1) * weight.segmentBytes
  }

  private func linearLabel(_ x: Tensor, _ weight: PackedWeight) -> String {
    let outputs = weight.isGated ? "2·\(weight.outputs)" : "\(weight.outputs)"
    return "\(weight.inputs)→\(outputs), \(x.count / weight.inputs) rows"
  }
}
