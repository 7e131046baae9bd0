import CKernels
import Foundation
import Tensors
import TestSupport
import Testing

/// Attention and Winograd's convolution in every instruction set, the body of AVX-512 among them
/// (on AVX2), against plain loops in double.
extension KernelTests {
  /// Runs `body` in every instruction set on the calling thread, the scalar one first, and checks it.
  private func checkProducts(_ name: String, bound: Double, expected: [Double], _ body: () -> [Float]) {
    let before = segmoe_isa_in_use()
    defer { _ = segmoe_isa_force(before) }
    var fused: [Float]?
    for isa in [SEGMOE_ISA_SCALAR, SEGMOE_ISA_AVX2, SEGMOE_ISA_WIDE, SEGMOE_ISA_AVX512, SEGMOE_ISA_NEON]
    where segmoe_isa_force(isa) != 0 {
      let result = body()
      let error = worstError(result, expected)
      #expect(error <= bound, "\(name), set \(isa.rawValue): error \(error)")
      guard isa != SEGMOE_ISA_SCALAR else { continue }
      let same = result.map(\.bitPattern) == (fused ?? result).map(\.bitPattern)
      #expect(same, "\(name): vector widths differ")
      fused = result
    }
  }

  /// Rows, inner, columns, gated: around the tile of 6 by 64, blocks of 96 rows and strips of 512 values.
  @Test(arguments: [
    [1, 1, 1, 0], [5, 64, 17, 0], [7, 513, 65, 0], [13, 1100, 20, 1], [97, 100, 130, 0], [200, 34, 40, 1],
  ])
  func singleProductInEverySet(_ p: [Int]) throws {
    let (rows, inner, columns, gated) = (p[0], p[1], p[2], p[3] == 1)
    var random = RandomNumbers(seed: 51)
    let weightRows = gated ? 2 * columns : columns
    let (x, w) = (random.floats(rows * inner), random.floats(weightRows * inner, limit: 0.1))
    let (bias, base) = (random.floats(weightRows), random.floats(rows * columns))
    let factors = random.floats(rows)
    func sum(_ row: Int, _ column: Int) -> Double {
      (0..<inner).reduce(Double(bias[column])) {
        $0 + Double(x[row * inner + $1]) * Double(w[column * inner + $1])
      }
    }
    let expected = (0..<rows * columns).map { index -> Double in
      let (row, column) = (index / columns, index % columns)
      var value = sum(row, column)
      if gated {
        let gate = sum(row, columns + column)
        value *= 0.5 * gate * (1 + erf(gate / 2.0.squareRoot()))
      }
      return Double(base[index]) + Double(factors[row]) * value
    }
    let weight = try PackedWeight(
      linear: WeightRows(Tensor(shape: [weightRows, inner], values: w)), precision: .f32, gated: gated)
    func run(threads: Int) -> [Float] {
      var result = Tensor(shape: [rows, columns], values: base)
      Compute(threads: threads).product(
        Tensor(shape: [rows, inner], values: x), weight,
        ProductEpilogue(bias: Tensor(shape: [weightRows], values: bias), rowWeights: factors),
        addedTo: &result)
      return result.values
    }
    checkProducts("product", bound: 2e-6, expected: expected) { run(threads: 1) }
    #expect(run(threads: 1).map(\.bitPattern) == run(threads: 3).map(\.bitPattern))
  }

  /// Queries, keys, heads, width, causal.
  @Test(arguments: [
    [1, 1, 1, 4, 0], [70, 70, 3, 8, 1], [65, 77, 2, 40, 0], [50, 300, 1, 17, 0], [100, 5, 5, 64, 0],
    [97, 530, 1, 200, 0], [300, 300, 2, 33, 1], [7, 1000, 1, 80, 0],
  ])
  func attentionInEverySet(_ p: [Int]) {
    let (queries, keys, heads, width, causal) = (p[0], p[1], p[2], p[3], p[4] == 1)
    let channels = heads * width
    var random = RandomNumbers(seed: 7)
    let q = random.floats(2 * queries * channels, limit: 3)
    let k = random.floats(2 * keys * channels, limit: 3)
    let v = random.floats(2 * keys * channels)
    var expected = [Double](repeating: 0, count: q.count)
    for row in 0..<2 * queries {
      for head in 0..<heads {
        let (image, i) = (row / queries, row % queries)
        let seen = causal ? min(keys, i + 1) : keys
        let scores = (0..<seen).map { j in
          (0..<width).reduce(0.0) {
            $0 + Double(q[row * channels + head * width + $1])
              * Double(k[(image * keys + j) * channels + head * width + $1])
          } / Double(width).squareRoot()
        }
        let top = scores.max() ?? 0
        let weights = scores.map { exp($0 - top) }
        let total = weights.reduce(0, +)
        for c in 0..<width {
          expected[row * channels + head * width + c] = (0..<seen).reduce(0.0) {
            $0 + weights[$1] / total * Double(v[(image * keys + $1) * channels + head * width + c])
          }
        }
      }
    }
    func run(threads: Int) -> [Float] {
      Compute(threads: threads).attention(
        query: Tensor(shape: [2, queries, channels], values: q),
        key: Tensor(shape: [2, keys, channels], values: k),
        value: Tensor(shape: [2, keys, channels], values: v), heads: heads, causal: causal
      ).values
    }
    checkProducts("attention", bound: 3e-6, expected: expected) { run(threads: 1) }
    #expect(run(threads: 1).map(\.bitPattern) == run(threads: 3).map(\.bitPattern))
  }

  /// Scores far apart, and not a number.
  @Test func attentionOfExtremes() {
    let keys = Tensor(shape: [1, 40, 4], values: (0..<160).map { Float($0 / 4 == 25 ? 300 : -300) })
    let values = Tensor(shape: [1, 40, 4], values: (0..<160).map { Float($0 / 4) })
    let result = Compute(threads: 1).attention(
      query: Tensor(shape: [1, 2, 4], values: [1, 1, 1, 1, .nan, 1, 1, 1]), key: keys, value: values, heads: 1
    )
    #expect(Array(result.values.prefix(4)) == [25, 25, 25, 25])
    let lost = result.values.suffix(4).filter(\.isNaN).count
    #expect(lost == 4)
  }

  /// Height and width of the source, of the result, inputs, outputs.
  @Test(arguments: [
    [1, 1, 1, 1, 3, 5], [4, 4, 4, 4, 16, 16], [7, 9, 7, 9, 17, 33], [13, 5, 13, 5, 130, 20],
    [5, 6, 10, 12, 20, 50], [4, 3, 7, 5, 16, 3], [30, 34, 30, 34, 8, 40],
  ])
  func convolutionInEverySet(_ p: [Int]) throws {
    let (sourceHeight, sourceWidth, height, width, inputs, outputs) = (p[0], p[1], p[2], p[3], p[4], p[5])
    var random = RandomNumbers(seed: 8)
    let x = random.floats(2 * sourceHeight * sourceWidth * inputs)
    let w = random.floats(outputs * inputs * 9)
    let bias = random.floats(2 * outputs)
    let residual = random.floats(2 * height * width * outputs)
    var expected = residual.map(Double.init)
    for place in 0..<2 * height * width {
      let (image, y, column) = (place / (height * width), place / width % height, place % width)
      for o in 0..<outputs {
        var sum = Double(bias[image * outputs + o])
        for tap in 0..<9 {
          let (sy, sx) = (y + tap / 3 - 1, column + tap % 3 - 1)
          guard (0..<height).contains(sy), (0..<width).contains(sx) else { continue }
          let pixel =
            (image * sourceHeight + sy * sourceHeight / height) * sourceWidth + sx * sourceWidth / width
          for i in 0..<inputs {
            sum += Double(x[pixel * inputs + i]) * Double(w[(o * inputs + i) * 9 + tap])
          }
        }
        expected[place * outputs + o] += sum
      }
    }
    let weight = try WinogradWeight(WeightRows(Tensor(shape: [outputs, inputs, 3, 3], values: w)))
    func run(threads: Int) -> [Float] {
      Compute(threads: threads).convolution(
        Tensor(shape: [2, sourceHeight, sourceWidth, inputs], values: x), weight,
        bias: Tensor(shape: [2, outputs], values: bias),
        adding: Tensor(shape: [2, height, width, outputs], values: residual), enlargedTo: (height, width)
      ).values
    }
    checkProducts("winograd", bound: 1e-5, expected: expected) { run(threads: 1) }
    #expect(run(threads: 1).map(\.bitPattern) == run(threads: 3).map(\.bitPattern))
  }

  /// Weights kept in bfloat16 give what the same numbers in single precision give, to the bit, in every set; by
  /// Winograd's algorithm and, of the smaller picture, as a product.
  @Test(arguments: [(5, 16), (37, 40), (130, 7)], [(9, 14), (3, 4)])
  func convolutionOfHalfWeights(_ channels: (Int, Int), _ size: (Int, Int)) throws {
    let (inputs, outputs) = channels
    var random = RandomNumbers(seed: 21)
    let x = Tensor(
      shape: [2, size.0, size.1, inputs], values: random.floats(2 * size.0 * size.1 * inputs))
    let exact = random.floats(outputs * inputs * 9)
    let rounded = exact.map { Float(bitPattern: Self.halfBits($0) << 16) }
    func run(_ values: [Float], bf16: Bool) throws -> [Float] {
      let rows = WeightRows(Tensor(shape: [outputs, inputs, 3, 3], values: values))
      return try Compute(threads: 2).convolution(x, WinogradWeight(rows, bf16: bf16), bias: nil).values
    }
    let expected = try run(rounded, bf16: false)
    #expect(try run(exact, bf16: false) != expected)
    #expect(try run(exact, bf16: true).map(\.bitPattern) == expected.map(\.bitPattern))
    let half = try WinogradWeight(
      WeightRows(Tensor(shape: [outputs, inputs, 3, 3], values: exact)), bf16: true)
    #expect(half.byteCount == (outputs + 15) / 16 * 16 * inputs * 9 * 2)
    checkProducts("winograd, half", bound: 1e-5, expected: expected.map(Double.init)) {
      Compute(threads: 1).convolution(x, half, bias: nil).values
    }
  }

  /// A float's upper half, rounded to nearest even.
  private static func halfBits(_ value: Float) -> UInt32 {
    let bits = value.bitPattern
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16
  }

  /// More tiles than are held at a time, one bias for all images.
  @Test func winogradInChunks() throws {
    var random = RandomNumbers(seed: 9)
    let (x, w, bias) = (random.floats(65 * 66 * 320), random.floats(24 * 320 * 9), random.floats(24))
    let result = try Compute(threads: 2).convolution(
      Tensor(shape: [1, 65, 66, 320], values: x),
      WinogradWeight(WeightRows(Tensor(shape: [24, 320, 3, 3], values: w))),
      bias: Tensor(shape: [24], values: bias)
    ).values
    let expected = referenceConvolution(
      x, size: (1, 65, 66, 320), w, bias: bias, ConvolutionShape(kernel: 3))
    #expect(worstError(result, expected) < 2e-5)
    let rms = zip(result, expected).reduce(0.0) { $0 + pow(Double($1.0) - $1.1, 2) }
    let size = expected.reduce(0.0) { $0 + $1 * $1 }
    #expect((rms / size).squareRoot() < 5e-6, "relative RMSE \((rms / size).squareRoot())")
  }
}
