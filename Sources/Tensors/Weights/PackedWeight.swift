import CKernels
import Requests

/// A weight in the order in which products read it, rounded to bf16 or int8 if they run in that precision.
package struct PackedWeight: Sendable {
  package let precision: Precision
  /// Columns of the result.
  package let outputs: Int
  /// Segments (K-segments) of a row: the taps of a convolution, or parts of a linear layer's row. In int8 each has a
  /// scale of its own.
  package let segments: Int
  /// Values in a segment.
  package let depth: Int
  /// Whether the result is value · gelu(gate) of twice as many columns.
  package let isGated: Bool
  private let storage: MemoryBlock?
  /// Bytes that the packed weight takes in memory.
  package let byteCount: Int

  /// The most values of a linear layer's row that share one int8 scale.
  private static let mostValuesPerScale = 1280

  /// Rounds and packs a linear layer's weight.
  /// - Parameters:
  ///   - rows: `[out, in]`, or `[2·out, in]` if `gated`, the values' rows first.
  ///   - precision: what the weight is rounded to.
  ///   - gated: whether the result is value · gelu(gate).
  /// - Throws: what reading the rows throws.
  package init(linear rows: WeightRows, precision: Precision, gated: Bool = false) throws {
    var segments = 1
    if precision == .int8 {
      let candidates = (1...64).filter { rows.width % $0 == 0 }
      segments = candidates.first { rows.width / $0 <= Self.mostValuesPerScale } ?? candidates.last ?? 1
    }
    try self.init(rows, segments: segments, precision: precision, gated: gated)
  }

  /// Rounds and packs a convolution's weight.
  /// - Parameters:
  ///   - rows: `[out, taps·in]`, the taps in row-major order, channels innermost.
  ///   - taps: how many there are.
  ///   - precision: what the weight is rounded to.
  /// - Throws: what reading the rows throws.
  package init(convolution rows: WeightRows, taps: Int, precision: Precision) throws {
    try self.init(rows, segments: taps, precision: precision, gated: false)
  }

  private init(_ rows: WeightRows, segments: Int, precision: Precision, gated: Bool) throws {
    self.precision = precision
    self.segments = segments
    outputs = gated ? rows.count / 2 : rows.count
    depth = rows.width / segments
    isGated = gated
    let packing = segmoe_packing(outputs: outputs, segments: segments, depth: depth, gated: gated ? 1 : 0)
    byteCount = precision.packedBytes(packing)
    guard !rows.isMeta else {
      storage = nil
      return
    }
    let storage = MemoryBlock(byteCount: byteCount)
    self.storage = storage
    try Self.pack(rows, packing, precision, into: storage.base)
  }

  /// Packs some groups of columns at a time. Groups lie one after another; each is packed as if it were alone.
  private static func pack(
    _ rows: WeightRows, _ packing: segmoe_packing, _ precision: Precision,
    into target: UnsafeMutableRawPointer
  ) throws {
    var packing = packing
    let isGated = packing.gated != 0
    let outputs = packing.outputs
    let groupOutputs = segmoe_group_outputs(&packing)
    let groupRows = isGated ? 2 * groupOutputs : groupOutputs
    let atOnce = max(1, WeightRows.packedAtOnce / max(1, groupRows * rows.width)) * groupOutputs
    var offset = 0
    for first in stride(from: 0, to: outputs, by: atOnce) {
      let range = first..<min(outputs, first + atOnce)
      packing.outputs = range.count
      let values = range.count * rows.width
      try LentFloats.with((isGated ? 2 : 1) * values) { chunk in
        try rows.read(range, into: UnsafeMutableBufferPointer(rebasing: chunk[..<values]))
        if isGated {
          try rows.read(
            outputs + range.lowerBound..<outputs + range.upperBound,
            into: UnsafeMutableBufferPointer(rebasing: chunk[values...]))
        }
        let groups = segmoe_groups(&packing)
        let pack =
          switch precision {
          case .f32: segmoe_f32_pack
          case .bf16: segmoe_bf16_pack
          case .int8: segmoe_int8_pack
          }
        pack(&packing, chunk.baseAddress, 0, groups, target + offset)
        offset += precision.packedBytes(packing)
      }
    }
  }

  /// Values in a row that is multiplied with this weight.
  package var inputs: Int { segments * depth }

  /// Bytes of a segment of a row that is multiplied with it.
  package var segmentBytes: Int {
    switch precision {
    case .f32: segmoe_f32_segment_bytes(depth)
    case .bf16: segmoe_bf16_segment_bytes(depth)
    case .int8: segmoe_int8_segment_bytes(depth)
    }
  }

  var packing: segmoe_packing {
    segmoe_packing(outputs: outputs, segments: segments, depth: depth, gated: isGated ? 1 : 0)
  }

  /// Shows `body` the packed bytes.
  package func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) { storage.withBytes(body) }

  /// Lends the weight to the tasks of a product.
  func withColumns(_ body: (PackedColumns) -> Void) {
    let arithmetic: PackedColumns.Arithmetic =
      switch precision {
      case .f32: .f32
      case .bf16: .bf16
      case .int8: .int8
      }
    withBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      body(PackedColumns(arithmetic: arithmetic, packing: packing, base: base, byteCount: byteCount))
    }
  }
}

extension Precision {
  fileprivate func packedBytes(_ packing: segmoe_packing) -> Int {
    withUnsafePointer(to: packing) { packing in
      switch self {
      case .f32: segmoe_f32_packed_bytes(packing)
      case .bf16: segmoe_bf16_packed_bytes(packing)
      case .int8: segmoe_int8_packed_bytes(packing)
      }
    }
  }
}
