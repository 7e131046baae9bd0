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

  /// Packs a torch weight `[out, in, 3, 3]`.
  package init(_ weight: Tensor) {
    let (outputs, inputs) = (weight.shape[0], weight.shape[1])
    let count = (outputs + Self.panelWidth - 1) / Self.panelWidth
    self.outputs = outputs
    self.inputs = inputs
    panels = Tensor(shape: [count, 9, inputs, Self.panelWidth]) { result in
      weight.withUnsafe {
        segmoe_pack_convolution($0.baseAddress, outputs, inputs, 9, result.baseAddress, 0, count)
      }
    }
  }

  /// Bytes that it takes in memory.
  package var byteCount: Int { panels.count * MemoryLayout<Float>.stride }

  /// Whether a convolution of that geometry can run by Winograd's algorithm. Where it can it is the
  /// faster: docs/performance.md has the table.
  package static func suits(_ shape: ConvolutionShape) -> Bool {
    shape == ConvolutionShape(kernel: 3)
  }
}
