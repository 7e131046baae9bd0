import CKernels

/// Packed columns as the tasks of a product take them.
struct PackedColumns {
  /// How rows and columns are multiplied.
  enum Arithmetic {
    case f32
    /// In single precision, of columns in bfloat16.
    case f32OfBF16
    case bf16
    case int8
  }

  let arithmetic: Arithmetic
  let packing: segmoe_packing
  let base: UnsafeRawPointer
  let byteCount: Int
}

/// How a product is cut into tasks.
struct ProductCut {
  /// Rows that one task computes.
  private static let rows = 96
  /// Tasks that a product is cut into if its shape allows: enough for many threads to end together.
  private static let tasks = 64
  /// Bytes of packed weights that are multiplied with all rows before the next ones are read: a share of a
  /// third-level cache.
  private static let bytes = 4 << 20

  /// Groups of columns, and the parts that share them out.
  let groups: Int
  let parts: Int
  /// Blocks of rows, and rows of one block: whole tiles of six, in blocks as equal as possible.
  let blocks: Int
  let block: Int

  init(_ packing: segmoe_packing, byteCount: Int, rows: Int, _ compute: Compute) {
    groups = withUnsafePointer(to: packing) { segmoe_groups($0) }
    blocks = (rows + Self.rows - 1) / Self.rows
    block = blocks == 0 ? 0 : ((rows + blocks - 1) / blocks + 5) / 6 * 6
    let wanted = blocks == 0 ? 0 : (Self.tasks + blocks - 1) / blocks
    parts = compute.cut(
      blocks, of: groups, into: min(groups, max(wanted, (byteCount + Self.bytes - 1) / Self.bytes)))
  }
}

/// Where a convolution finds its pixels, `[image, height, width]` of `bytes` bytes each.
struct Pictures {
  let pixels: UnsafeRawPointer
  /// The pixel that stands for all pixels outside.
  let outside: UnsafeRawPointer
  let bytes: Int
  let height: Int
  let width: Int
  let shape: ConvolutionShape

  /// Writes the addresses of the taps of some output positions. Positions are counted through all images.
  func locate(_ range: Range<Int>, _ segments: UnsafeMutablePointer<UnsafeRawPointer?>) {
    let (outWidth, taps) = (shape.outputSize(width), shape.kernel * shape.kernel)
    let positions = shape.outputSize(height) * outWidth
    var row = range.lowerBound
    while row < range.upperBound {
      let (image, first) = (row / positions, row % positions)
      let count = min(range.upperBound - row, positions - first)
      var picture = segmoe_picture(
        pixels: pixels + image * height * width * bytes, outside: outside, bytes: bytes, height: height,
        width: width, kernel: shape.kernel, stride: shape.stride, before: shape.padding.before,
        out_width: outWidth)
      segmoe_convolution_segments(&picture, first, count, segments + (row - range.lowerBound) * taps)
      row += count
    }
  }
}

extension Compute {
  /// A product on the pool.
  /// - Parameters:
  ///   - residual: added to the result, of its shape; may be the result.
  ///   - locate: writes where the segments of some rows are.
  func run(
    _ columns: PackedColumns, rows: Int, _ epilogue: ProductEpilogue, residual: UnsafePointer<Float>?,
    into result: UnsafeMutablePointer<Float>,
    locate: (Range<Int>, UnsafeMutablePointer<UnsafeRawPointer?>) -> Void
  ) {
    let packing = columns.packing
    let (segments, stride) = (packing.segments, packing.outputs)
    work.add(2 * rows * segments * packing.depth * stride * (packing.gated != 0 ? 2 : 1))
    let cut = ProductCut(packing, byteCount: columns.byteCount, rows: rows, self)
    let product =
      switch columns.arithmetic {
      case .f32: segmoe_f32_product
      case .f32OfBF16: segmoe_f32_product_of_bf16
      case .bf16: segmoe_bf16_product
      case .int8: segmoe_int8_product
      }
    Self.withPointer(to: epilogue.bias) { bias in
      Self.withPointer(to: epilogue.rowWeights) { rowWeights in
        pool.run(cut.parts * cut.blocks) { task in
          let (part, first) = (task / cut.blocks, task % cut.blocks * cut.block)
          let range = first..<max(first, min(rows, first + cut.block))
          withUnsafeTemporaryAllocation(of: UnsafeRawPointer?.self, capacity: range.count * segments) {
            guard let places = $0.baseAddress else { return }
            locate(range, places)
            var epilogue = segmoe_epilogue(
              bias: bias, activation: epilogue.kernelActivation, row_weights: rowWeights.map { $0 + first },
              residual: residual.map { $0 + first * stride })
            withUnsafePointer(to: packing) { packing in
              product(
                packing, columns.base, places, range.count, part * cut.groups / cut.parts,
                (part + 1) * cut.groups / cut.parts, &epilogue, result + first * stride, stride)
            }
          }
        }
      }
    }
  }

  private static func withPointer<R>(to tensor: Tensor?, _ body: (UnsafePointer<Float>?) -> R) -> R {
    guard let tensor else { return body(nil) }
    return tensor.withUnsafe { body($0.baseAddress) }
  }

  private static func withPointer<R>(to values: [Float]?, _ body: (UnsafePointer<Float>?) -> R) -> R {
    guard let values else { return body(nil) }
    return values.withUnsafeBufferPointer { body($0.baseAddress) }
  }
}

extension ProductEpilogue {
  fileprivate var kernelActivation: segmoe_activation {
    switch activation {
    case nil: SEGMOE_ACTIVATION_NONE
    case .silu: SEGMOE_ACTIVATION_SILU
    case .gelu: SEGMOE_ACTIVATION_GELU
    case .quickGELU: SEGMOE_ACTIVATION_QUICK_GELU
    case .relu: SEGMOE_ACTIVATION_RELU
    }
  }
}
