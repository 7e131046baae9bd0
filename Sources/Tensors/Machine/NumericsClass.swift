import CKernels
import COpenBLAS
import Release

/// What the bits of a picture depend on beside its request and its weights: `0.1.0/avx2/SkylakeX-0.3.21`. Two processes of
/// one class give the same bytes; a render that goes on in another class would be equal to neither undisturbed one.
package struct NumericsClass: Sendable, Hashable, CustomStringConvertible {
  /// Of the program.
  package let version: String
  /// The instruction set in use. Sets that agree to the bit have the name of the smallest one. `avx2+scalar` if products of
  /// reduced precision run on another one than all else, because the processor's own gave wrong numbers.
  package let instructions: String
  /// The kernels that OpenBLAS has chosen for this processor, and its version.
  package let algebra: String

  package var description: String { "\(version)/\(instructions)/\(algebra)" }

  /// The class of this process.
  package static var inUse: NumericsClass {
    NumericsClass(
      version: Version.current,
      instructions: name(
        ofProducts: ProductInstructions.inUse, andAllElse: ProductInstructions.ofAllElse),
      algebra: algebraInUse)
  }

  /// The class's name for the sets of products of reduced precision and of all else.
  package static func name(ofProducts products: String, andAllElse base: String) -> String {
    let name = name(ofBitsIn: products)
    return products == "scalar" && base != "scalar" ? "\(Self.name(ofBitsIn: base))+\(name)" : name
  }

  /// The class's name for an instruction set: `avx2`, `avx512` and `avx512vnni` add and fuse alike in every precision, and so
  /// do `neon` and `neondot` (docs/precision.md, *Which sets agree*; `OtherNumericsTests` compares whole pictures).
  package static func name(ofBitsIn instructions: String) -> String {
    switch instructions {
    case "avx512", "avx512vnni": "avx2"
    case "neondot": "neon"
    default: instructions
    }
  }

  /// OpenBLAS's core and version: `SkylakeX-0.3.21`.
  private static var algebraInUse: String {
    let core = openblas_get_corename().map { String(cString: $0) } ?? "unknown"
    let configuration = openblas_get_config().map { String(cString: $0) } ?? ""
    // "OpenBLAS 0.3.21 NO_LAPACKE DYNAMIC_ARCH …"
    let words = configuration.split(separator: " ")
    return words.count > 1 && words[0] == "OpenBLAS" ? "\(core)-\(words[1])" : core
  }
}
