import CKernels

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
