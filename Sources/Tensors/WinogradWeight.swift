import CKernels

/// The weight of a 3×3 convolution of stride 1, packed for Winograd's algorithm: panels of 16
/// outputs, `[panel][tap][input][16]`. It takes the bytes of the plain weight: the transformed one,
/// four times as large, exists a cacheful at a time while a convolution runs.
package struct WinogradWeight: Sendable {
  package let inputs: Int
  package let outputs: Int
  let panels: Tensor

  /// Outputs of one panel.
  static let panelWidth = 16

  /// Packs a torch weight `[out, in, 3, 3]`, some panels at a time.
  /// - Throws: what reading the rows throws.
  package init(_ rows: WeightRows) throws {
    let (outputs, inputs) = (rows.count, rows.width / 9)
    let count = (outputs + Self.panelWidth - 1) / Self.panelWidth
    self.outputs = outputs
    self.inputs = inputs
    let shape = [count, 9, inputs, Self.panelWidth]
    if rows.isPlanned {
      panels = Tensor(planned: shape)
      return
    }
    let atOnce = max(1, WeightRows.packedAtOnce / (Self.panelWidth * rows.width)) * Self.panelWidth
    panels = try Tensor(shape: shape) { result in
      for first in stride(from: 0, to: outputs, by: atOnce) {
        let range = first..<min(outputs, first + atOnce)
        try withUnsafeTemporaryAllocation(of: Float.self, capacity: range.count * rows.width) { chunk in
          try rows.read(range, into: chunk)
          segmoe_pack_convolution(
            chunk.baseAddress, range.count, inputs, 9, result.baseAddress.map { $0 + first * rows.width }, 0,
            (range.count + Self.panelWidth - 1) / Self.panelWidth)
        }
      }
    }
  }

  /// Bytes that it takes in memory.
  package var byteCount: Int { panels.count * MemoryLayout<Float>.stride }

  /// Shows `body` the packed bytes.
  package func withBytes(_ body: (UnsafeRawBufferPointer) -> Void) {
    panels.withUnsafe { body(UnsafeRawBufferPointer($0)) }
  }

  /// Whether a convolution of that geometry can run by Winograd's algorithm. Where it can it is the
  /// faster: docs/performance.md has the table.
  package static func suits(_ shape: ConvolutionShape) -> Bool {
    shape == ConvolutionShape(kernel: 3)
  }
}
