import Boundary
import CKernels
import Foundation

/// The instructions that products of reduced precision run on.
package enum ProductInstructions {
  /// `scalar`, `avx2`, `avx512`, `avx512vnni`, `avx512bf16` or `amx`; on Arm `scalar`, `neon`, `neondot` or `neonbf16`.
  package static var inUse: String { String(cString: segmoe_product_isa_name(segmoe_product_isa_in_use())) }

  /// The set that everything but such products runs on: `scalar`, `avx2`, `avx512` or `neon`.
  package static var ofAllElse: String {
    switch segmoe_isa_in_use() {
    case SEGMOE_ISA_SCALAR: "scalar"
    case SEGMOE_ISA_AVX512: "avx512"
    case SEGMOE_ISA_NEON: "neon"
    default: "avx2"
    }
  }

  /// Whether products of bfloat16 run on an instruction that attention has, too. BFDOT is for layers alone.
  package static var multiplyBF16: Bool {
    segmoe_product_isa_in_use() == SEGMOE_PRODUCT_AVX512_BF16 || multiplyOnTiles
  }

  /// Whether products of reduced precision run on AMX's tiles.
  package static var multiplyOnTiles: Bool { segmoe_product_isa_in_use() == SEGMOE_PRODUCT_AMX }

  /// The best set that this processor has, if it is not used because it gave wrong numbers in a test.
  package static var failed: String? {
    let isa = segmoe_product_isa_failed()
    return isa < 0 ? nil : String(cString: segmoe_product_isa_name(segmoe_product_isa(UInt32(isa))))
  }

  /// For people: that such a set is not used.
  package static var failureWarning: String? {
    failed.map { "\($0) gave wrong products here and is not used, \(inUse) is; please report this processor" }
  }
}

/// The set that `SEGMOE_ISA` asks for. If the processor lacks it, kernels use the best set that it has. Then the user
/// is warned, because measurements would be of another set.
extension ProductInstructions {
  /// The environment variable that limits the instruction set of all kernels.
  package static let variable = "SEGMOE_ISA"

  /// Its possible values, the smallest set first, x86-64's before Arm's.
  package static var names: [String] {
    (SEGMOE_PRODUCT_SCALAR.rawValue...SEGMOE_PRODUCT_NEON_BF16.rawValue).map {
      String(cString: segmoe_product_isa_name(segmoe_product_isa($0)))
    }
  }

  /// Checks the variable. It must be called before anything is computed.
  /// - Returns: a warning if the processor lacks the set.
  /// - Throws: `EnvironmentError` if the value is none of the names.
  package static func checkEnvironment() throws(EnvironmentError) -> String? {
    if let value = unknown() {
      throw EnvironmentError(
        name: variable, value: value, rule: "use one of \(names.joined(separator: ", "))")
    }
    return shortfall
  }

  /// The variable's value if it is none of the names.
  package static func unknown(_ environment: [String: String] = ProcessInfo.processInfo.environment)
    -> String?
  {
    environment[variable].flatMap { segmoe_product_isa_named($0) < 0 ? $0 : nil }
  }

  /// A warning if the variable asks for a set that this processor lacks; otherwise nil.
  static var shortfall: String? {
    let asked = segmoe_product_isa_asked()
    guard asked >= 0 else { return nil }
    let isa = segmoe_product_isa(UInt32(asked))
    guard segmoe_product_isa_available(isa) == 0 else { return nil }
    return
      "\(variable) asks for \(String(cString: segmoe_product_isa_name(isa))), which this processor lacks; \(inUse) is used"
  }
}
