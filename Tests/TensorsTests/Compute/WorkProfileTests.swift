import CKernels
import Requests
import Tensors
import Testing

/// What `segmoe bench` reports by.
@Suite struct WorkProfileTests {
  @Test(arguments: [([3.0], 3.0), ([4.0, 1.0], 2.5), ([9.0, 1.0, 2.0], 2.0), ([8.0, 1.0, 3.0, 2.0], 2.5)])
  func median(_ values: [Double], _ wanted: Double) { #expect(values.median == wanted) }

  @Test func medianOfNothing() { #expect([Double]().median == nil) }

  /// Layers are timed while that is asked for, and counted once.
  @Test func onlyWhatIsRecorded() {
    let profile = WorkProfile()
    let compute = Compute(threads: 2, profile: profile)
    let x = Tensor(shape: [4, 8], repeating: 1)
    _ = compute.linear(x, weight: x)
    #expect(profile.take().isEmpty)
    profile.record { for _ in 0..<3 { _ = compute.linear(x, weight: x) } }
    _ = compute.linear(x, weight: x)
    let entries = profile.take()
    #expect(entries.count == 1)
    #expect(entries.first?.kind == .linear && entries.first?.calls == 3)
    #expect(entries.first?.operations == 3 * 2 * 4 * 8 * 4)
    #expect(profile.take().isEmpty)
  }

  /// docs/precision.md.
  @Test(arguments: Precision.allCases) func arithmetic(precision: Precision) {
    let attention = precision == .bf16 && !ProductInstructions.multiplyBF16 ? Precision.f32 : precision
    #expect(LayerKind.linear.arithmetic(in: precision) == precision)
    #expect(LayerKind.attention.arithmetic(in: precision) == attention)
    let isWinograd = precision == .bf16 && !ProductInstructions.multiplyOnTiles
    #expect(LayerKind.convolution.arithmetic(in: precision) == (isWinograd ? .f32 : precision))
    #expect(LayerKind.normalization.arithmetic(in: precision) == nil)
    #expect(LayerKind.elementwise.arithmetic(in: precision) == nil)
  }

  @Test func namesOfInstructions() {
    let names = [
      "scalar", "avx2", "avx512", "avx512vnni", "avx512bf16", "amx", "neon", "neondot", "neonbf16",
    ]
    #expect(ProductInstructions.names == names)
    #expect(ProductInstructions.unknown([:]) == nil)
    for (level, name) in names.enumerated() {
      #expect(ProductInstructions.unknown(["SEGMOE_ISA": name]) == nil)
      #expect(segmoe_product_isa_named(name) == Int32(level))
    }
    for name in ["AVX2", "sse", "bogus", "avx512foo", "avx512 ", ""] {
      #expect(ProductInstructions.unknown(["SEGMOE_ISA": name]) == name)
    }
  }
}
