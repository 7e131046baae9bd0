import Foundation
import Tensors
import TestSupport
import Testing

/// Operations on tensors against the same written plainly in double.
@Suite struct ComputeTests {
  private let compute = Compute(threads: 3)

  @Test(arguments: [(1, 5, 3), (7, 33, 65), (400, 64, 96), (2000, 40, 130)])
  func linear(_ rows: Int, _ inputs: Int, _ outputs: Int) {
    var random = RandomNumbers(seed: 1)
    let (x, w) = (random.floats(rows * inputs), random.floats(outputs * inputs))
    let result = compute.linear(
      Tensor(shape: [rows, inputs], values: x), weight: Tensor(shape: [outputs, inputs], values: w))
    let expected = (0..<rows).flatMap { r in
      (0..<outputs).map { o in
        (0..<inputs).reduce(0.0) { $0 + Double(x[r * inputs + $1]) * Double(w[o * inputs + $1]) }
      }
    }
    #expect(result.shape == [rows, outputs])
    #expect(worstError(result.values, expected) < 1e-6)
  }

  /// Kernel, stride, zeros before, zeros after, height, width.
  @Test(arguments: [
    [3, 1, 1, 1, 7, 9], [3, 2, 1, 1, 8, 10], [3, 2, 1, 1, 7, 5], [3, 2, 0, 1, 8, 6], [1, 1, 0, 0, 4, 4],
    [5, 1, 2, 2, 3, 2], [3, 1, 1, 1, 1, 1], [3, 1, 1, 1, 40, 50],
  ])
  func convolution(_ p: [Int]) throws {
    let (kernel, stride, before, after, height, width) = (p[0], p[1], p[2], p[3], p[4], p[5])
    let (batch, inputs, outputs) = (2, 3, 5)
    var random = RandomNumbers(seed: 2)
    let x = random.floats(batch * height * width * inputs)
    let w = random.floats(outputs * inputs * kernel * kernel)
    let b = random.floats(outputs)
    let shape = ConvolutionShape(kernel: kernel, stride: stride, padding: (before, after))
    let rows = WeightRows(Tensor(shape: [outputs, inputs, kernel, kernel], values: w)).tapsFirst(
      kernel * kernel)
    let weight = try PackedWeight(convolution: rows, taps: kernel * kernel, precision: .f32)
    let result = compute.convolution(
      Tensor(shape: [batch, height, width, inputs], values: x), weight, shape: shape,
      ProductEpilogue(bias: Tensor(shape: [outputs], values: b)))
    let expected = referenceConvolution(x, size: (batch, height, width, inputs), w, bias: b, shape)
    let (oh, ow) = (
      (height + before + after - kernel) / stride + 1, (width + before + after - kernel) / stride + 1
    )
    #expect(result.shape == [batch, oh, ow, outputs])
    #expect(worstError(result.values, expected) < 1e-6)
  }

  @Test(arguments: [
    (1, 1, 1, 4, false), (70, 70, 3, 24, true), (65, 77, 2, 16, false), (200, 5, 5, 40, false),
  ])
  func attention(_ queries: Int, _ keys: Int, _ heads: Int, _ channels: Int, _ causal: Bool) {
    var random = RandomNumbers(seed: 3)
    let (batch, width) = (2, channels / heads)
    let q = random.floats(batch * queries * channels, limit: 3)
    let k = random.floats(batch * keys * channels, limit: 3)
    let v = random.floats(batch * keys * channels)
    let used = heads * width
    guard used == channels else { return }
    let result = compute.attention(
      query: Tensor(shape: [batch, queries, channels], values: q),
      key: Tensor(shape: [batch, keys, channels], values: k),
      value: Tensor(shape: [batch, keys, channels], values: v), heads: heads, causal: causal)
    var expected = [Double](repeating: 0, count: q.count)
    for n in 0..<batch {
      for head in 0..<heads {
        for i in 0..<queries {
          let scores = (0..<keys).map { j -> Double in
            if causal && j > i { return -.infinity }
            return (0..<width).reduce(0.0) {
              $0 + Double(q[(n * queries + i) * channels + head * width + $1])
                * Double(k[(n * keys + j) * channels + head * width + $1])
            } / Double(width).squareRoot()
          }
          let top = scores.max() ?? 0
          let weights = scores.map { exp($0 - top) }
          let total = weights.reduce(0, +)
          for c in 0..<width {
            expected[(n * queries + i) * channels + head * width + c] = (0..<keys).reduce(0.0) {
              $0 + weights[$1] / total * Double(v[(n * keys + $1) * channels + head * width + c])
            }
          }
        }
      }
    }
    #expect(worstError(result.values, expected) < 3e-6)
  }

  @Test func groupNorm() {
    var random = RandomNumbers(seed: 4)
    let (batch, positions, channels, groups) = (2, 3000, 12, 3)
    let x = random.floats(batch * positions * channels).map { $0 + 5 }
    let (weight, bias) = (random.floats(channels), random.floats(channels))
    let result = compute.groupNorm(
      Tensor(shape: [batch, positions, channels], values: x), groups: groups,
      weight: Tensor(shape: [channels], values: weight), bias: Tensor(shape: [channels], values: bias),
      epsilon: 1e-5)
    var expected = [Double](repeating: 0, count: x.count)
    let width = channels / groups
    for n in 0..<batch {
      for g in 0..<groups {
        let places = (0..<positions).flatMap { p in
          (0..<width).map { (n * positions + p) * channels + g * width + $0 }
        }
        let mean = places.reduce(0.0) { $0 + Double(x[$1]) } / Double(places.count)
        let variance = places.reduce(0.0) { $0 + pow(Double(x[$1]) - mean, 2) } / Double(places.count)
        for place in places {
          let c = place % channels
          expected[place] =
            (Double(x[place]) - mean) / (variance + 1e-5).squareRoot() * Double(weight[c]) + Double(bias[c])
        }
      }
    }
    #expect(worstError(result.values, expected) < 3e-6)
  }

  @Test func nearestIsTorchs() {
    let x = Tensor(shape: [1, 1, 3, 1], values: [1, 2, 3])
    #expect(compute.resizeNearest(x, height: 2, width: 5).values == [1, 1, 2, 2, 3, 1, 1, 2, 2, 3])
  }

  @Test func channelsLastAndBack() {
    let x = Tensor(shape: [2, 3, 2, 2], values: (0..<24).map { Float($0) })
    #expect(x.channelsLast.shape == [2, 2, 2, 3])
    #expect(x.channelsLast.values.prefix(3) == [0, 4, 8])
    #expect(x.channelsLast.channelsFirst.values == x.values)
  }

  @Test func tensorsAreValues() {
    let a = Tensor(shape: [2], values: [1, 2])
    var b = a
    b.withUnsafeMutable { $0[0] = 9 }
    #expect(a.values == [1, 2] && b.values == [9, 2])
  }

  /// Sections from several threads at once: every task runs once, none is lost.
  @Test func poolRunsEachTaskOnce() {
    let pool = ThreadPool(threadCount: 4)
    for round in 0..<200 {
      let count = round % 17 * 3
      let ran = UnsafeMutablePointer<Int32>.allocate(capacity: count + 1)
      ran.initialize(repeating: 0, count: count + 1)
      defer { ran.deallocate() }
      nonisolated(unsafe) let counts = ran
      pool.run(count) { counts[$0] += 1 }
      #expect((0..<count).allSatisfy { ran[$0] == 1 })
    }
  }

  @Test func resultsDoNotDependOnThreads() throws {
    var random = RandomNumbers(seed: 6)
    let x = Tensor(shape: [1, 33, 31, 16], values: random.floats(33 * 31 * 16))
    let rows = WeightRows(Tensor(shape: [24, 16, 3, 3], values: random.floats(24 * 16 * 9))).tapsFirst(9)
    let weight = try PackedWeight(convolution: rows, taps: 9, precision: .f32)
    let results = [1, 2, 5].map {
      Compute(threads: $0).convolution(x, weight, shape: ConvolutionShape(kernel: 3)).values
    }
    #expect(results[0] == results[1] && results[0] == results[2])
  }
}
