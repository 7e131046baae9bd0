import CKernels
import Tensors

/// The levels of instructions that products of reduced precision run on.
enum ProductLevels {
  private static let all = [
    SEGMOE_PRODUCT_SCALAR, SEGMOE_PRODUCT_AVX2, SEGMOE_PRODUCT_AVX512, SEGMOE_PRODUCT_AVX512_VNNI,
    SEGMOE_PRODUCT_AVX512_BF16, SEGMOE_PRODUCT_AMX, SEGMOE_PRODUCT_NEON, SEGMOE_PRODUCT_NEON_DOT,
    SEGMOE_PRODUCT_NEON_BF16,
  ]

  /// Runs `body` once per available level, the scalar one first.
  static func each(_ body: () -> Tensor) -> [(level: segmoe_product_isa, result: Tensor)] {
    defer { segmoe_product_isa_release() }
    return all.filter { segmoe_product_isa_force($0) != 0 }.map { level in
      _ = segmoe_product_isa_force(level)
      return (level, body())
    }
  }
}
