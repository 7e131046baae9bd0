import CKernels
import Foundation

/// What `SEGMOE_ISA` asks for. Kernels that are asked for what there is not take the best that there is: whoever
/// measures by it must be told, or measures something else.
extension ProductInstructions {
  /// The environment variable that limits what products, and all kernels, run on.
  package static let variable = "SEGMOE_ISA"

  /// What it may say, the least first.
  package static var names: [String] {
    (SEGMOE_PRODUCT_SCALAR.rawValue...SEGMOE_PRODUCT_AVX512_BF16.rawValue).map {
      String(cString: segmoe_product_isa_name(segmoe_product_isa($0)))
    }
  }

  /// What it says, if that is none of the names.
  package static func unknown(_ environment: [String: String] = ProcessInfo.processInfo.environment)
    -> String?
  {
    environment[variable].flatMap { segmoe_product_isa_named($0) < 0 ? $0 : nil }
  }

  /// A sentence on what it asks for and this processor lacks; nil if there is nothing to say.
  package static var shortfall: String? {
    let asked = segmoe_product_isa_asked()
    guard asked >= 0 else { return nil }
    let isa = segmoe_product_isa(UInt32(asked))
    guard segmoe_product_isa_available(isa) == 0 else { return nil }
    return
      "\(variable) asks for \(String(cString: segmoe_product_isa_name(isa))), which this processor lacks; \(inUse) is used"
  }
}
