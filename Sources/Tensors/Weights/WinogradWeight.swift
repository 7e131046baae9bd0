import CKernels
import Requests

/// The weight of a 3×3 convolution of stride 1, packed for Winograd's algorithm: panels of 16
/// outputs, `[panel][tap][input][16]`, in single precision or bfloat16.
///
/// It is as large as the plain weight. The transformed weight would be four or eight times as large; it exists only
/// while a convolution runs, a cacheful at a time. For few positions the transform costs more than it saves. A plain
/// product can then read the same panels.
package struct WinogradWeight: Sendable {
  package let inputs: Int
  package let outputs: Int
  /// Whether the weight is rounded to bfloat16. Inputs and sums are not.
  let isBF16: Bool
  /// Bytes that it takes in memory.
  package let byteCount: Int
  /// nil if only sizes are known.
  private let storage: MemoryBlock?

  /// Outputs of one panel.
  static let panelWidth = 16

  /// Packs a torch weight `[out, in, 3, 3]`, some panels at a time.
  /// - Parameters:
  ///   - rows: the weight's rows, `[out, in·9]`.
  ///   - bf16: rounds the weight to bfloat16 (to nearest even).
  /// - Throws: what reading the rows throws.
  package init(_ rows: WeightRows, bf16: Bool = false) throws {
    let (outputs, inputs) = (rows.count, rows.width / 9)
    let panels = (outputs + Self.panelWidth - 1) / Self.panelWidth
    let size = bf16 ? MemoryLayout<UInt16>.stride : MemoryLayout<Float>.stride
    self.outputs = outputs
    self.inputs = inputs
    isBF16 = bf16
    byteCount = panels * Self.panelWidth * rows.width * size
    guard !rows.isMeta else {
      storage = nil
      return
    }
    let storage = MemoryBlock(byteCount: byteCount)
    self.storage = storage
    let atOnce = max(1, WeightRows.packedAtOnce / (Self.panelWidth * rows.width)) * Self.panelWidth
    for first in stride(from: 0, to: outputs, by: atOnce) {
      let range = first..<min(outputs, first + atOnce)
      let target = storage.base + first * rows.width * size
      try LentFloats.with(range.count * rows.width) { chunk in
        try rows.read(range, into: chunk)
        Self.pack(chunk, outputs: range.count, inputs: inputs, bf16: bf16, into: target)
      }
    }
  }

  private static func pack(
    _ rows: UnsafeMutableBufferPointer<Float>, outputs: Int, inputs: Int, bf16: Bool,
    into target: UnsafeMutableRawPointer
  ) {
    let panels = (outputs + panelWidth - 1) / panelWidth
    guard bf16 else {
      let target = target.assumingMemoryBound(to: Float.self)
      return segmoe_pack_convolution(rows.baseAddress, outputs, inputs, 9, target, 0, panels)
    }
    let count = panels * panelWidth * inputs * 9
    LentFloats.with(count) { packed in
      segmoe_pack_convolution(rows.baseAddress, outputs, inputs, 9, packed.baseAddress, 0, panels)
      segmoe_f32_to_bf16(packed.baseAddress, target.assumingMemoryBound(to: UInt16.self), count)
    }
  }

  /// Shows `body` the packed bytes.
  package func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) { storage.withBytes(body) }

  /// Lends the weight to the tasks of a product.
  func withColumns(_ body: (PackedColumns) -> Void) {
    withBytes { bytes in
      guard let base = bytes.baseAddress else { return }
      body(
        PackedColumns(
          arithmetic: isBF16 ? .f32OfBF16 : .f32,
          packing: segmoe_packing(outputs: outputs, segments: 9, depth: inputs, gated: 0),
          base: base, byteCount: byteCount))
    }
  }

  /// Whether a convolution of that geometry runs by Winograd's algorithm. In int8 it would lose too much, and AMX multiplies
  /// more than four times as fast in bfloat16 as other instructions do in single precision.
  package static func suits(_ shape: ConvolutionShape, in precision: Precision) -> Bool {
    guard shape == ConvolutionShape(kernel: 3) else { return false }
    return switch precision {
    case .f32: true
    case .bf16: !ProductInstructions.multiplyOnTiles
    case .int8: false
    }
  }

  /// Whether Winograd's algorithm is faster for so many positions of all images together. In the table of
  /// `Benchmarks/kernels/run` a product wins up to 72 positions, and Winograd's algorithm from 98 on, for all
  /// channels, instruction sets and precisions.
  static func isFaster(positions: Int) -> Bool { positions > 80 }
}
