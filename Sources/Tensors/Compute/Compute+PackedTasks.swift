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

    var isReduced: Bool { self == .bf16 || self == .int8 }
  }

  let arithmetic: Arithmetic
  let packing: segmoe_packing
  let base: UnsafeRawPointer
  let byteCount: Int

  /// Bytes that a product with so many groups of columns works in.
  fileprivate func scratchBytes(_ packing: UnsafePointer<segmoe_packing>, rows: Int, groups: Int) -> Int {
    switch arithmetic {
    case .f32, .f32OfBF16: 0
    case .bf16: segmoe_product_scratch(packing, 0, rows, groups)
    case .int8: segmoe_product_scratch(packing, 1, rows, groups)
    }
  }
}

/// How a product is cut into tasks.
struct ProductCut {
  /// What a task is at most, and at least if there is enough.
  private struct Bounds {
    /// Rows that one task computes at most, and rows of a tile.
    let rows: Int
    let tileRows: Int
    /// Tasks that a product is cut into if its shape allows: enough for many threads to end together.
    let tasks: Int
    /// Groups of columns that a task has at least.
    let fewestGroups: Int

    static let usual = Bounds(rows: 96, tileRows: 6, tasks: 64, fewestGroups: 1)
    /// AMX multiplies so fast that reading columns, once for each task, is what takes time.
    static let tiles = Bounds(rows: 256, tileRows: 32, tasks: 16, fewestGroups: 4)
  }

  /// Bytes of packed weights that are multiplied with all rows before the next ones are read: a share of a
  /// third-level cache.
  private static let bytes = 4 << 20

  /// Groups of columns, and the parts that share them out.
  let groups: Int
  let parts: Int
  /// Blocks of rows, and rows of one block: whole tiles, in blocks as equal as possible.
  let blocks: Int
  let block: Int

  /// - Parameter isReduced: whether the product is in bfloat16 or int8.
  init(_ packing: segmoe_packing, byteCount: Int, rows: Int, isReduced: Bool, _ compute: Compute) {
    let bounds = isReduced && ProductInstructions.multiplyOnTiles ? Bounds.tiles : .usual
    groups = withUnsafePointer(to: packing) { segmoe_groups($0) }
    blocks = (rows + bounds.rows - 1) / bounds.rows
    let even = blocks == 0 ? 0 : (rows + blocks - 1) / blocks
    block = (even + bounds.tileRows - 1) / bounds.tileRows * bounds.tileRows
    let wanted = blocks == 0 ? 0 : (bounds.tasks + blocks - 1) / blocks
    let most = (groups + bounds.fewestGroups - 1) / bounds.fewestGroups
    parts = compute.cut(
      blocks, of: groups, into: min(most, max(wanted, (byteCount + Self.bytes - 1) / Self.bytes)),
      most: groups)
  }
}

/// Where a convolution finds its pixels, `[image, height, width]` of `bytes` bytes each. What is stored may be smaller: it is then
/// read as if it had been enlarged.
struct Pictures {
  let pixels: UnsafeRawPointer
  /// The pixel that stands for all pixels outside.
  let outside: UnsafeRawPointer
  let bytes: Int
  let height: Int
  let width: Int
  let stored: (height: Int, width: Int)
  let shape: ConvolutionShape

  /// Writes the addresses of the taps of some output positions. Positions are counted through all images.
  func locate(
    _ range: Range<Int>, _ segments: UnsafeMutablePointer<UnsafeRawPointer?>, _: UnsafeMutableRawPointer
  ) {
    let (outWidth, taps) = (shape.outputSize(width), shape.kernel * shape.kernel)
    let positions = shape.outputSize(height) * outWidth
    var row = range.lowerBound
    while row < range.upperBound {
      let (image, first) = (row / positions, row % positions)
      let count = min(range.upperBound - row, positions - first)
      var picture = segmoe_picture(
        pixels: pixels + image * stored.height * stored.width * bytes, outside: outside, bytes: bytes,
        height: height, width: width, stored_height: stored.height, stored_width: stored.width,
        kernel: shape.kernel, stride: shape.stride, before: shape.padding.before,
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
  ///   - rowBytes: memory that `locate` has for each row.
  ///   - locate: writes where the segments of some rows are, with its memory.
  func run(
    _ columns: PackedColumns, rows: Int, _ epilogue: ProductEpilogue, residual: UnsafePointer<Float>?,
    into result: UnsafeMutablePointer<Float>, rowBytes: Int = 0,
    locate: (Range<Int>, UnsafeMutablePointer<UnsafeRawPointer?>, UnsafeMutableRawPointer) -> Void
  ) {
    let packing = columns.packing
    let (segments, stride) = (packing.segments, packing.outputs)
    work.add(2 * rows * segments * packing.depth * stride * (packing.gated != 0 ? 2 : 1))
    let cut = ProductCut(
      packing, byteCount: columns.byteCount, rows: rows, isReduced: columns.arithmetic.isReduced, self)
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
          let groups = part * cut.groups / cut.parts..<(part + 1) * cut.groups / cut.parts
          withUnsafeTemporaryAllocation(of: UnsafeRawPointer?.self, capacity: range.count * segments) {
            guard let places = $0.baseAddress else { return }
            let own = (range.count * rowBytes + 63) / 64 * 64
            let scratch = withUnsafePointer(to: packing) {
              columns.scratchBytes($0, rows: range.count, groups: groups.count)
            }
            let memory = UnsafeMutableRawPointer(
              ThreadPool.scratch((own + scratch) / MemoryLayout<Float>.stride))
            locate(range, places, memory)
            var epilogue = segmoe_epilogue(
              bias: bias, activation: epilogue.kernelActivation, row_weights: rowWeights.map { $0 + first },
              residual: residual.map { $0 + first * stride })
            withUnsafePointer(to: packing) { packing in
              product(
                packing, columns.base, places, range.count, groups.lowerBound, groups.upperBound, &epilogue,
                result + first * stride, stride, memory + own)
            }
          }
        }
      }
    }
  }

  /// Lends a tensor's numbers, or nil.
  static func withPointer<R>(to tensor: Tensor?, _ body: (UnsafePointer<Float>?) -> R) -> R {
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
