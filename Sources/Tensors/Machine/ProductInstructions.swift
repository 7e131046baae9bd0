import Boundary
import CKernels
import Foundation

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

/// What `SEGMOE_ISA` asks for. If the processor lacks it, kernels use the best set that it has. The user must be told,
/// or would measure something else.
extension ProductInstructions {
  /// The environment variable that limits the instruction set of all kernels.
  static let variable = "SEGMOE_ISA"

  /// Its possible values, the smallest set first.
  package static var names: [String] {
    (SEGMOE_PRODUCT_SCALAR.rawValue...SEGMOE_PRODUCT_AVX512_BF16.rawValue).map {
      String(cString: segmoe_product_isa_name(segmoe_product_isa($0)))
    }
  }

  /// To be called before anything is computed: looks at what the variable asks for.
  /// - Returns: a warning, if the processor lacks it.
  /// - Throws: `EnvironmentError` for what is none of the names.
  package static func checkEnvironment() throws(EnvironmentError) -> String? {
    if let value = unknown() {
      throw EnvironmentError(
        name: variable, value: value, rule: "use one of \(names.joined(separator: ", "))")
    }
    return shortfall
  }

  /// Its value, if that is none of the names.
  package static func unknown(_ environment: [String: String] = ProcessInfo.processInfo.environment)
    -> String?
  {
    environment[variable].flatMap { segmoe_product_isa_named($0) < 0 ? $0 : nil }
  }

  /// A warning, if it asks for a set that this processor lacks; else nil.
  static var shortfall: String? {
    let asked = segmoe_product_isa_asked()
    guard asked >= 0 else { return nil }
    let isa = segmoe_product_isa(UInt32(asked))
    guard segmoe_product_isa_available(isa) == 0 else { return nil }
    return
      "\(variable) asks for \(String(cString: segmoe_product_isa_name(isa))), which this processor lacks; \(inUse) is used"
  }
}
