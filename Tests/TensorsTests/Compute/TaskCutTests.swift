import Requests
import Tensors
import TestSupport
import Testing

/// Many threads get smaller tasks. No bit of a result knows of it.
@Suite struct TaskCutTests {
  /// For how many threads work is cut; few of them compute it here.
  static let threads = [1, 2, 3, 5, 8, 24, 32, 64, 192]

  private func check(_ what: String, _ body: (Compute) throws -> Tensor) rethrows {
    let expected = try body(Compute(threads: 2, taskThreads: 1)).values.map(\.bitPattern)
    for threads in Self.threads {
      let result = try body(Compute(threads: 2, taskThreads: threads)).values.map(\.bitPattern)
      #expect(result == expected, "\(what) for \(threads) threads")
    }
  }

  private func drawn(_ shape: [Int], seed: UInt64) -> Tensor {
    var random = RandomNumbers(seed: seed)
    return Tensor(shape: shape, values: random.floats(shape.reduce(1, *), limit: 2))
  }

  @Test(arguments: [Precision.f32, .bf16, .int8], [1, 7, 97, 512]) func products(
    precision: Precision, rows: Int
  ) throws {
    let x = drawn([rows, 70], seed: 1)
    let weight = try PackedWeight(linear: WeightRows(drawn([330, 70], seed: 2)), precision: precision)
    let gated = try PackedWeight(
      linear: WeightRows(drawn([260, 70], seed: 3)), precision: precision, gated: true)
    let bias = drawn([260], seed: 4)
    check("product") { $0.product(x, weight) }
    check("gated product") { $0.product(x, gated, ProductEpilogue(bias: bias, activation: .gelu)) }
    check("sum") {
      var sum = Tensor(shape: [rows, 330], repeating: 0.5)
      $0.product(x, weight, addedTo: &sum)
      return sum
    }
  }

  @Test(arguments: [Precision.f32, .bf16, .int8]) func convolutions(precision: Precision) throws {
    let x = drawn([2, 21, 13, 20], seed: 5)
    let weight = try PackedWeight(
      convolution: WeightRows(drawn([70, 9 * 20], seed: 6)), taps: 9, precision: precision)
    check("convolution") { $0.convolution(x, weight, shape: ConvolutionShape(kernel: 3)) }
  }

  /// Several chunks of tiles, and parts of tiles at the edges.
  @Test(arguments: [false, true]) func winograd(bf16: Bool) throws {
    let x = drawn([2, 57, 66, 96], seed: 7)
    let weight = try WinogradWeight(WeightRows(drawn([72, 96, 3, 3], seed: 8)), bf16: bf16)
    check("Winograd") { $0.convolution(x, weight, bias: nil) }
  }

  @Test(arguments: [Precision.f32, .bf16], [(1, 1), (130, 77), (256, 256)]) func attention(
    precision: Precision, size: (queries: Int, keys: Int)
  ) {
    let query = drawn([2, size.queries, 3 * 24], seed: 9)
    let (key, value) = (drawn([2, size.keys, 3 * 24], seed: 10), drawn([2, size.keys, 3 * 24], seed: 11))
    check("attention") {
      $0.attention(query: query, key: key, value: value, heads: 3, precision: precision)
    }
  }

  @Test func normalizations() {
    let x = drawn([2, 31, 17, 60], seed: 12)
    let (weight, bias) = (drawn([60], seed: 13), drawn([60], seed: 14))
    check("groups") { $0.groupNorm(x, groups: 6, weight: weight, bias: bias, epsilon: 1e-5, silu: true) }
    check("rows") { $0.layerNorm(x, weight: weight, bias: bias, epsilon: 1e-5) }
  }

  /// Of odd sizes, so that no task ends where vectors do.
  @Test(arguments: [Compute.Activation.silu, .gelu, .quickGELU, .relu]) func elementwise(
    activation: Compute.Activation
  ) {
    let (x, y) = (drawn([3, 211, 157], seed: 15), drawn([3, 211, 157], seed: 16))
    check("activation") { $0.activate(x, activation) }
    check("sum") { $0.add(x, y) }
    check("weighted sum") {
      var sum = y
      $0.accumulate(x, rowWeights: (0..<633).map { Float($0) / 633 }, into: &sum)
      return sum
    }
    check("side by side") { $0.concatenateChannels(x, y) }
  }

  /// Tasks that are as many as threads, or many times as many, and as large as each other: nobody waits long for the last
  /// one.
  @Test func tasksKeepThreadsBusy() {
    for threads in Self.threads {
      let compute = Compute(threads: 1, taskThreads: threads)
      for (blocks, size) in [(1, 4000), (2, 4096), (6, 960), (10, 1000), (16, 768), (43, 960), (400, 20)] {
        let parts = compute.cut(blocks, of: size, into: 1)
        let rounds = (blocks * parts + threads - 1) / threads
        let longest = rounds * ((size + parts - 1) / parts)
        #expect(Double(blocks * size) >= 0.9 * Double(longest * threads), "\(blocks) of \(size), \(threads)")
      }
      #expect(compute.cut(7, of: 100, into: 4, most: 2) == 4)
      #expect(compute.cut(0, of: 9, into: 0) == 1 && compute.cut(9, of: 0, into: 3) == 3)
    }
    // What few threads had is not cut finer, and twenty pieces are no sixteen equal parts.
    #expect(Compute(threads: 1, taskThreads: 2).cut(64, of: 40, into: 1) == 1)
    #expect(Compute(threads: 1, taskThreads: 32).cut(6, of: 20, into: 16) == 20)
  }

  /// A sum that another value shares is not copied first, and the other value keeps its elements.
  @Test(arguments: [Precision.f32, .bf16, .int8]) func sharedSums(precision: Precision) throws {
    let x = drawn([97, 70], seed: 1)
    let weight = try PackedWeight(linear: WeightRows(drawn([330, 70], seed: 2)), precision: precision)
    let before = drawn([97, 330], seed: 3)
    let compute = Compute(threads: 2)
    var own = Tensor(shape: before.shape, values: before.values)
    compute.product(x, weight, addedTo: &own)
    var shared = before
    compute.product(x, weight, addedTo: &shared)
    #expect(shared.values == own.values && before.values == drawn([97, 330], seed: 3).values)
  }
}
