import CKernels

/// A weight rounded to bf16 or int8 and laid out as products read it.
package struct PackedWeight: Sendable {
  /// `.bf16` or `.int8`.
  package let precision: Precision
  /// Columns of the result.
  package let outputs: Int
  /// Pieces that a row is read in: the taps of a convolution; in int8 each has a scale of its own.
  package let pieces: Int
  /// Values in a piece.
  package let depth: Int
  /// Whether the result is value · gelu(gate) of twice as many columns.
  package let isGated: Bool
  private let storage: ByteStorage

  /// Values of one int8 scale that a linear layer's rows are cut into.
  private static let mostValuesPerScale = 1280

  /// Rounds and packs a linear layer's weight.
  /// - Parameters:
  ///   - weight: `[out, in]`, or `[2·out, in]` if `gated`, the values' rows first.
  ///   - precision: `.bf16` or `.int8`.
  package init(linear weight: Tensor, precision: Precision, gated: Bool = false) {
    let inputs = weight.shape[1]
    var pieces = 1
    if precision == .int8 {
      let candidates = (1...64).filter { inputs % $0 == 0 }
      pieces = candidates.first { inputs / $0 <= Self.mostValuesPerScale } ?? candidates.last ?? 1
    }
    self.init(weight, pieces: pieces, precision: precision, gated: gated)
  }

  /// Rounds and packs a convolution's weight.
  /// - Parameters:
  ///   - weight: `[out, kernel·kernel·in]`, as `Compute.packConvolution` gives it.
  ///   - precision: `.bf16` or `.int8`.
  package init(convolution weight: Tensor, kernel: Int, precision: Precision) {
    self.init(weight, pieces: kernel * kernel, precision: precision, gated: false)
  }

  private init(_ weight: Tensor, pieces: Int, precision: Precision, gated: Bool) {
    precondition(precision != .f32, "single precision is not packed")
    self.precision = precision
    self.pieces = pieces
    outputs = gated ? weight.shape[0] / 2 : weight.shape[0]
    depth = weight.shape[1] / pieces
    isGated = gated
    var packing = segmoe_packing(outputs: outputs, pieces: pieces, depth: depth, gated: gated ? 1 : 0)
    let groups = segmoe_groups(&packing)
    storage = ByteStorage(
      count: precision == .bf16 ? segmoe_bf16_packed_bytes(&packing) : segmoe_int8_packed_bytes(&packing))
    weight.withUnsafe { weight in
      guard let weight = weight.baseAddress else { return }
      if precision == .bf16 {
        segmoe_bf16_pack(&packing, weight, 0, groups, storage.base)
      } else {
        segmoe_int8_pack(&packing, weight, 0, groups, storage.base)
      }
    }
  }

  /// Values in a row that is multiplied with this weight.
  package var inputs: Int { pieces * depth }

  /// Bytes that the packed weight takes in memory.
  package var byteCount: Int { storage.count }

  var packing: segmoe_packing {
    segmoe_packing(outputs: outputs, pieces: pieces, depth: depth, gated: isGated ? 1 : 0)
  }

  func withUnsafe<R>(_ body: (UnsafeRawPointer) throws -> R) rethrows -> R {
    defer { withExtendedLifetime(storage) {} }
    return try body(UnsafeRawPointer(storage.base))
  }
}

/// 64-byte aligned memory, freed with its last owner.
final class ByteStorage: @unchecked Sendable {
  // Unchecked: written only while one value has it.
  let base: UnsafeMutableRawPointer
  let count: Int

  init(count: Int) {
    self.count = count
    base = UnsafeMutableRawPointer.allocate(byteCount: max(count, 1), alignment: 64)
  }

  deinit { base.deallocate() }
}
