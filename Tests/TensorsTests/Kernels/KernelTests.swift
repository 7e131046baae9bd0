import CKernels
import Foundation
import TestSupport
import Testing

/// Every kernel in every instruction set this processor has: within its bound of the true value,
/// and bit for bit what the scalar reference gives. Attention and convolution use a fused
/// multiply-add where there is one: there all sets but the scalar one agree bit for bit.
@Suite(.serialized) struct KernelTests {
  /// Runs `body` once per available instruction set.
  func forEachISA(_ body: () -> [Float]) -> [[Float]] {
    let before = segmoe_isa_in_use()
    defer { _ = segmoe_isa_force(before) }
    return [SEGMOE_ISA_SCALAR, SEGMOE_ISA_AVX2, SEGMOE_ISA_AVX512, SEGMOE_ISA_NEON]
      .filter { segmoe_isa_force($0) != 0 }
      .map { isa in
        _ = segmoe_isa_force(isa)
        return body()
      }
  }

  private func check(
    _ name: String, bound: Double, expected: [Double], _ body: () -> [Float]
  ) {
    let results = forEachISA(body)
    for result in results {
      let error = worstError(result, expected)
      #expect(error <= bound, "\(name): error \(error)")
      #expect(
        result.map(\.bitPattern) == results[0].map(\.bitPattern), "\(name): variants differ")
    }
  }

  /// Sizes around the vector widths, odd ones among them.
  private static let sizes = [1, 3, 7, 8, 15, 16, 17, 33, 100, 1023]

  @Test func activations() {
    var random = RandomNumbers(seed: 1)
    for size in Self.sizes {
      let x = random.floats(size, limit: 12)
      let true1 = x.map { Double($0) / (1 + exp(-Double($0))) }
      check("silu", bound: 3e-7, expected: true1) { unary(x, segmoe_silu) }
      let true2 = x.map { Double($0) / (1 + exp(-1.702 * Double($0))) }
      check("quick gelu", bound: 5e-7, expected: true2) { unary(x, segmoe_quick_gelu) }
      let true3 = x.map { 0.5 * Double($0) * (1 + erf(Double($0) / 2.0.squareRoot())) }
      check("gelu", bound: 5e-7, expected: true3) { unary(x, segmoe_gelu) }
    }
  }

  @Test func extremesStayFinite() {
    let x: [Float] = [-1e30, -1000, -100, -0.0, 0, 100, 1000, 1e30]
    for result in forEachISA({ unary(x, segmoe_silu) + unary(x, segmoe_gelu) }) {
      let finite = result.filter(\.isFinite).count
      #expect(finite == result.count)
    }
    for result in forEachISA({ unary([.nan], segmoe_silu) }) { #expect(result[0].isNaN) }
  }

  @Test func normalization() {
    var random = RandomNumbers(seed: 4)
    for channels in Self.sizes {
      let rows = 5
      let x = random.floats(rows * channels, limit: 3).map { $0 + 100 }
      let (weight, bias) = (random.floats(channels), random.floats(channels))
      let expected = (0..<rows).flatMap { row -> [Double] in
        let values = x[row * channels..<(row + 1) * channels].map(Double.init)
        let mean = values.reduce(0, +) / Double(channels)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(channels)
        return values.enumerated().map {
          ($1 - mean) / (variance + 1e-5).squareRoot() * Double(weight[$0]) + Double(bias[$0])
        }
      }
      // A mean of 100 is rounded to 24 bits before it is taken off.
      check("layer norm", bound: 1e-5, expected: expected) {
        var result = [Float](repeating: 0, count: rows * channels)
        segmoe_layer_norm(x, &result, rows, channels, weight, bias, 1e-5)
        return result
      }
      check(
        "scale and shift", bound: 3e-7,
        expected: (0..<rows * channels).map { i -> Double in
          let v = Double(x[i]) * Double(weight[i % channels]) + Double(bias[i % channels])
          return v / (1 + exp(-v))
        }
      ) {
        var result = [Float](repeating: 0, count: rows * channels)
        segmoe_scale_shift(x, &result, rows, channels, weight, bias, 1)
        return result
      }
    }
  }

  @Test func sums() {
    var random = RandomNumbers(seed: 5)
    let (x, y, weights) = (random.floats(6 * 37), random.floats(6 * 37), random.floats(6))
    check("add scaled", bound: 2e-7, expected: zip(x, y).map { Double($1) + 0.3 * Double($0) }) {
      var result = y
      segmoe_add_scaled(x, 0.3, &result, x.count)
      return result
    }
    let weighted = (0..<6 * 37).map { Double(y[$0]) + Double(weights[$0 / 37]) * Double(x[$0]) }
    check("add weighted rows", bound: 2e-7, expected: weighted) {
      var result = y
      segmoe_add_weighted_rows(x, weights, &result, 6, 37)
      return result
    }
  }

  private func unary(
    _ x: [Float], _ kernel: (UnsafePointer<Float>, UnsafeMutablePointer<Float>, Int) -> Void
  ) -> [Float] {
    var result = [Float](repeating: 0, count: x.count)
    kernel(x, &result, x.count)
    return result
  }
}
