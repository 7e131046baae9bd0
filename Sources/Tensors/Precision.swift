import CKernels

/// The arithmetic of products and convolutions. Whatever it is, sums, normalizations and softmax are in
/// single precision.
package enum Precision: String, CaseIterable, Sendable {
  /// Single precision throughout: the reference's pictures.
  case f32
  /// Weights and what they are multiplied with are rounded to bfloat16; half the memory.
  case bf16
  /// Both are rounded to 8 bits with scales of their own; a quarter of the memory.
  case int8

  /// What to use where nobody asks for another: bf16 where the processor multiplies in it (whether or not that is the
  /// faster way to do it), else f32.
  package static var preferred: Precision {
    segmoe_bf16_is_native() != 0 ? .bf16 : .f32
  }
}

/// What products of reduced precision run on.
package enum ProductInstructions {
  /// `scalar`, `avx2`, `avx512`, `avx512vnni` or `avx512bf16`.
  package static var inUse: String { String(cString: segmoe_product_isa_name(segmoe_product_isa_in_use())) }

  /// Whether products of bfloat16 run on instructions of their own.
  package static var multiplyBF16: Bool { segmoe_product_isa_in_use() == SEGMOE_PRODUCT_AVX512_BF16 }

  /// The best that this processor has, if it gave wrong numbers when it was tried and is not used.
  package static var failed: String? {
    let isa = segmoe_product_isa_failed()
    return isa < 0 ? nil : String(cString: segmoe_product_isa_name(segmoe_product_isa(UInt32(isa))))
  }
}
