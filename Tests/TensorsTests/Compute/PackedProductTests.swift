import CKernels
import Foundation
import Requests
import Tensors
import TestSupport
import Testing

/// Products of packed weights on everything that this processor has, against the scalar reference and
/// against double precision.
@Suite struct PackedProductTests {
  /// What is forced holds on one thread.
  private let compute = Compute(threads: 1)

  /// Every level against the scalar one: the same bits, but for bfloat16 by VDPBF16PS, AMX and BFDOT, whose rounding is
  /// their own. And the scalar one against what it should be.
  private func check(
    _ what: String, expected: [Double], bound: Double, precision: Precision, _ body: () -> Tensor
  ) {
    let results = ProductLevels.each(body)
    let reference = results[0].result
    let error = worstError(reference.values, expected)
    #expect(error <= bound, "\(what): \(error) from the true value")
    for (level, result) in results.dropFirst() {
      let multipliesPairs = [SEGMOE_PRODUCT_AVX512_BF16, SEGMOE_PRODUCT_AMX, SEGMOE_PRODUCT_NEON_BF16]
      if multipliesPairs.contains(level) && precision == .bf16 {
        let apart = worstError(result.values, reference.values.map(Double.init))
        #expect(apart <= 2e-5, "\(what): \(apart) between level \(level.rawValue) and the reference")
      } else {
        let same = result.values.map(\.bitPattern) == reference.values.map(\.bitPattern)
        #expect(same, "\(what): level \(level.rawValue) differs from the reference")
      }
    }
  }

  /// What bf16 makes of a number.
  private func rounded(_ x: Float) -> Float {
    var half: UInt16 = 0
    segmoe_f32_to_bf16_scalar([x], &half, 1)
    return Float(bitPattern: UInt32(half) << 16)
  }

  private func product(_ x: [Float], _ w: [Float], rows: Int, inner: Int, columns: Int) -> [Double] {
    (0..<rows * columns).map { index in
      let (row, column) = (index / columns, index % columns)
      return (0..<inner).reduce(0.0) {
        $0 + Double(x[row * inner + $1]) * Double(w[column * inner + $1])
      }
    }
  }

  /// Rows, inner and columns around the tile of 6 by 64, pairs, quads and blocks of 640 and 96.
  static let shapes = [
    (1, 1, 1), (2, 3, 16), (5, 64, 17), (6, 65, 63), (7, 320, 64), (13, 641, 65), (97, 100, 130),
    (200, 34, 320),
  ]

  @Test(arguments: shapes) func bf16(rows: Int, inner: Int, columns: Int) throws {
    var random = RandomNumbers(seed: 41)
    let (x, w) = (random.floats(rows * inner, limit: 2), random.floats(columns * inner, limit: 1))
    let weight = try PackedWeight(
      linear: WeightRows(Tensor(shape: [columns, inner], values: w)), precision: .bf16)
    // Against the product of the rounded numbers: what is left is the rounding of the sums.
    check(
      "bf16 \(rows)×\(inner)×\(columns)",
      expected: product(x.map(rounded), w.map(rounded), rows: rows, inner: inner, columns: columns),
      bound: 2e-5, precision: .bf16
    ) { compute.product(Tensor(shape: [rows, inner], values: x), weight) }
  }

  @Test(arguments: shapes) func int8(rows: Int, inner: Int, columns: Int) throws {
    var random = RandomNumbers(seed: 42)
    // Not centred, as after an activation: zero points matter.
    let x = random.floats(rows * inner, limit: 2).map { $0 + 1 }
    let w = random.floats(columns * inner, limit: 1)
    let weight = try PackedWeight(
      linear: WeightRows(Tensor(shape: [columns, inner], values: w)), precision: .int8)
    let expected = product(x, w, rows: rows, inner: inner, columns: columns)
    // Steps are 1/255 of 4 and 1/127 of 1; errors of `inner` products add up like their root.
    let size = expected.map(abs).max() ?? 1
    let step = (4.0 / 255 + 3.0 / 127) * Double(inner).squareRoot()
    check(
      "int8 \(rows)×\(inner)×\(columns)", expected: expected, bound: 2 * step / size, precision: .int8
    ) { compute.product(Tensor(shape: [rows, inner], values: x), weight) }
  }

  /// Small whole numbers survive both roundings, if each row and column reaches the end of its range:
  /// then the result is exact, whatever the zero point.
  @Test(arguments: [Precision.bf16, .int8]) func exactWhereNothingIsRounded(precision: Precision) throws {
    let (rows, inner, columns) = (9, 70, 37)
    var random = RandomNumbers(seed: 43)
    var x = random.floats(rows * inner, limit: 100).map { $0.rounded() }
    var w = random.floats(columns * inner, limit: 100).map { $0.rounded() }
    for row in 0..<rows { (x[row * inner], x[row * inner + 1]) = (155, -100) }
    for column in 0..<columns { w[column * inner + 2] = 127 }
    let weight = try PackedWeight(
      linear: WeightRows(Tensor(shape: [columns, inner], values: w)), precision: precision)
    check(
      "whole numbers", expected: product(x, w, rows: rows, inner: inner, columns: columns), bound: 1e-6,
      precision: precision
    ) { compute.product(Tensor(shape: [rows, inner], values: x), weight) }
  }

  @Test(arguments: [Precision.bf16, .int8]) func finishing(precision: Precision) throws {
    let (rows, inner, columns) = (15, 96, 70)
    var random = RandomNumbers(seed: 44)
    let x = Tensor(shape: [rows, inner], values: random.floats(rows * inner, limit: 1))
    let w = Tensor(shape: [columns, inner], values: random.floats(columns * inner, limit: 0.3))
    let bias = Tensor(shape: [columns], values: random.floats(columns, limit: 1))
    let base = Tensor(shape: [rows, columns], values: random.floats(rows * columns, limit: 1))
    let factors = random.floats(rows, limit: 1)
    let weight = try PackedWeight(linear: WeightRows(w), precision: precision)
    let plain = compute.product(x, weight).values
    for activation: Compute.Activation? in [nil, .silu, .gelu, .quickGELU, .relu] {
      let expected = (0..<rows * columns).map { index -> Double in
        let v = Double(plain[index] + bias.values[index % columns])
        let bent =
          switch activation {
          case nil: v
          case .silu: v / (1 + exp(-v))
          case .gelu: 0.5 * v * (1 + erf(v / 2.0.squareRoot()))
          case .quickGELU: v / (1 + exp(-1.702 * v))
          case .relu: max(0, v)
          }
        return Double(base.values[index]) + Double(factors[index / columns]) * bent
      }
      check(
        "finished, \(String(describing: activation))", expected: expected, bound: 1e-5, precision: precision
      ) {
        var sum = base
        compute.product(
          x, weight, ProductEpilogue(bias: bias, activation: activation, rowWeights: factors), addedTo: &sum)
        return sum
      }
    }
  }

  @Test(arguments: [(Precision.bf16, 40), (.int8, 40), (.bf16, 32), (.int8, 7)])
  func gated(precision: Precision, width: Int) throws {
    let (rows, inner) = (8, 64)
    var random = RandomNumbers(seed: 45)
    let x = Tensor(shape: [rows, inner], values: random.floats(rows * inner, limit: 1))
    let w = Tensor(shape: [2 * width, inner], values: random.floats(2 * width * inner, limit: 0.3))
    let bias = Tensor(shape: [2 * width], values: random.floats(2 * width, limit: 1))
    let both = try compute.product(
      x, PackedWeight(linear: WeightRows(w), precision: precision), ProductEpilogue(bias: bias))
    let expected = (0..<rows * width).map { index -> Double in
      let (row, column) = (index / width, index % width)
      let gate = Double(both.values[row * 2 * width + width + column])
      return Double(both.values[row * 2 * width + column]) * 0.5 * gate * (1 + erf(gate / 2.0.squareRoot()))
    }
    let weight = try PackedWeight(linear: WeightRows(w), precision: precision, gated: true)
    check("gated \(width)", expected: expected, bound: 1e-5, precision: precision) {
      compute.product(x, weight, ProductEpilogue(bias: bias))
    }
  }

  /// Against the convolution in single precision of the rounded numbers.
  @Test(arguments: [
    ConvolutionShape(kernel: 3), ConvolutionShape(kernel: 3, stride: 2),
    ConvolutionShape(kernel: 3, stride: 2, padding: (0, 1)), ConvolutionShape(kernel: 5),
  ])
  func convolution(shape: ConvolutionShape) throws {
    let (batch, height, width, inputs, outputs) = (2, 9, 11, 19, 33)
    let taps = shape.kernel * shape.kernel
    var random = RandomNumbers(seed: 46)
    let x = random.floats(batch * height * width * inputs, limit: 1)
    let w = random.floats(outputs * taps * inputs, limit: 1)
    let bias = Tensor(shape: [outputs], values: random.floats(outputs, limit: 1))
    func exact(_ x: [Float], _ w: [Float]) -> [Double] {
      referenceConvolution(x, size: (batch, height, width, inputs), w, bias: bias.values, shape)
    }
    for (precision, expected, bound) in [
      (Precision.bf16, exact(x.map(rounded), w.map(rounded)), 1e-5), (.int8, exact(x, w), 0.06),
    ] {
      let weight = try PackedWeight(
        convolution: WeightRows(Tensor(shape: [outputs, inputs, shape.kernel, shape.kernel], values: w))
          .tapsFirst(taps), taps: taps, precision: precision)
      check("convolution \(shape) \(precision)", expected: expected, bound: bound, precision: precision) {
        compute.convolution(
          Tensor(shape: [batch, height, width, inputs], values: x), weight, shape: shape,
          ProductEpilogue(bias: bias))
      }
    }
  }

  @Test(arguments: [Precision.bf16, .int8]) func threadsDoNotChangeABit(precision: Precision) throws {
    var random = RandomNumbers(seed: 47)
    let x = Tensor(shape: [1, 20, 20, 48], values: random.floats(400 * 48, limit: 1))
    let w = Tensor(shape: [100, 9 * 48], values: random.floats(100 * 9 * 48, limit: 1))
    let weight = try PackedWeight(convolution: WeightRows(w), taps: 9, precision: precision)
    let results = [1, 2, 3, 7].map {
      Compute(threads: $0).convolution(x, weight, shape: ConvolutionShape(kernel: 3)).values
    }
    for result in results { #expect(result == results[0]) }
  }

  /// A number that is not one must never become one that looks right, in the row or in the weight.
  @Test(arguments: [Precision.bf16, .int8], [Float.nan, .infinity, -.infinity])
  func whatIsNotFiniteShows(precision: Precision, strange: Float) throws {
    let (rows, inner, columns) = (4, 30, 20)
    var x = [Float](repeating: 0.5, count: rows * inner)
    x[2 * inner + 17] = strange
    var w = [Float](repeating: 0.25, count: columns * inner)
    let weight = try PackedWeight(
      linear: WeightRows(Tensor(shape: [columns, inner], values: w)), precision: precision)
    w[3 * inner + 5] = strange
    let strangeWeight = try PackedWeight(
      linear: WeightRows(Tensor(shape: [columns, inner], values: w)), precision: precision)
    for (_, result) in ProductLevels.each({
      compute.product(Tensor(shape: [rows, inner], values: x), weight)
    }) {
      for row in 0..<rows {
        let finite = result.values[row * columns..<(row + 1) * columns].filter(\.isFinite).count
        #expect(finite == (row == 2 ? 0 : columns))
      }
    }
    let plain = Tensor(shape: [1, inner], repeating: 1)
    for (_, result) in ProductLevels.each({ compute.product(plain, strangeWeight) }) {
      #expect(result.values.enumerated().allSatisfy { $0.element.isFinite == ($0.offset != 3) })
    }
  }

  @Test(arguments: [Precision.bf16, .int8]) func zeros(precision: Precision) throws {
    let weight = try PackedWeight(
      linear: WeightRows(Tensor(shape: [5, 12], repeating: 0)), precision: precision)
    let other = try PackedWeight(
      linear: WeightRows(Tensor(shape: [5, 12], repeating: 1)), precision: precision)
    for (_, result) in ProductLevels.each({ compute.product(Tensor(shape: [2, 12], repeating: 3), weight) }) {
      #expect(result.values.allSatisfy { $0 == 0 })
    }
    for x in [Float(0), .leastNonzeroMagnitude] {
      for (_, result) in ProductLevels.each({ compute.product(Tensor(shape: [2, 12], repeating: x), other) })
      {
        #expect(result.values.allSatisfy { abs($0) < 1e-37 })
      }
    }
  }

  /// What is chosen at run time passed its check, and SEGMOE_ISA and forced sets limit it.
  @Test func choosing() {
    #expect(segmoe_product_isa_failed() == -1)
    let before = segmoe_isa_in_use()
    defer { _ = segmoe_isa_force(before) }
    for isa in [SEGMOE_ISA_SCALAR, SEGMOE_ISA_AVX2] where segmoe_isa_force(isa) != 0 {
      #expect(segmoe_product_isa_in_use().rawValue <= isa.rawValue)
    }
  }

  /// Half and a quarter of single precision, the padding of a panel aside.
  @Test func memory() throws {
    let weight = Tensor(shape: [640, 1280], repeating: 1)
    #expect(try PackedWeight(linear: WeightRows(weight), precision: .bf16).byteCount == 640 * 1280 * 2)
    let bytes = try PackedWeight(linear: WeightRows(weight), precision: .int8).byteCount
    #expect(bytes == 640 * 1280 + 640 * 8)
  }
}
