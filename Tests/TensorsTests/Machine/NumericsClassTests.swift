import Tensors
import Testing

@Suite struct NumericsClassTests {
  @Test(arguments: [
    ("scalar", "scalar"), ("avx2", "avx2"), ("avx512", "avx2"), ("avx512vnni", "avx2"),
    ("avx512bf16", "avx512bf16"), ("amx", "amx"), ("neon", "neon"),
    ("neondot", "neon"), ("neonbf16", "neonbf16"),
  ]) func setsThatAgreeToTheBitAreOneClass(set: String, name: String) {
    #expect(NumericsClass.name(ofBitsIn: set) == name)
  }

  /// A processor whose sets all fail their check still has vectors for everything else.
  @Test(arguments: [
    ("scalar", "scalar", "scalar"), ("scalar", "avx512", "avx2+scalar"), ("scalar", "neon", "neon+scalar"),
    ("amx", "avx512", "amx"), ("avx2", "avx512", "avx2"), ("avx512vnni", "avx512", "avx2"),
  ]) func productsOfAnotherSetAreSaid(products: String, base: String, name: String) {
    #expect(NumericsClass.name(ofProducts: products, andAllElse: base) == name)
  }

  @Test func everySetHasAName() {
    for set in ProductInstructions.names {
      #expect(ProductInstructions.names.contains(NumericsClass.name(ofBitsIn: set)))
    }
  }

  @Test func itNamesVersionSetAndKernels() throws {
    let parts = "\(NumericsClass.inUse)".split(separator: "/", omittingEmptySubsequences: false)
    try #require(parts.count == 3)
    #expect(parts.allSatisfy { !$0.isEmpty })
    #expect(ProductInstructions.names.contains(String(parts[1])))
    #expect(!parts[2].hasPrefix("unknown"))
  }
}
