import Foundation
import Tensors
import TestSupport
import Testing

/// Tokens in groups, against the same written plainly in double, on any number of threads.
@Suite struct TokenGroupTests {
  private let shape = [2, 700, 40]
  private let count = 300
  private let x: Tensor
  private let groups: [[Int]]

  init() {
    var random = RandomNumbers(seed: 11)
    let shape = shape
    x = Tensor(shape: shape, values: random.floats(shape.reduce(1, *)))
    let count = count
    // Every group has one token at least; some have many.
    groups = (0..<2).map { image in (0..<700).map { $0 < count ? $0 : ($0 * $0 + image) % 17 } }
  }

  @Test(arguments: [1, 2, 3, 5]) func meansAndTheirSum(threads: Int) {
    let compute = Compute(threads: threads)
    let places = TokenGroups(groups, count: count)
    let means = compute.means(of: x, places)
    #expect(means.shape == [2, count, 40])
    var (expected, sizes) = (
      [Double](repeating: 0, count: means.count), [Double](repeating: 0, count: 2 * count)
    )
    let values = x.values
    for (image, list) in groups.enumerated() {
      for (token, group) in list.enumerated() {
        sizes[image * count + group] += 1
        for channel in 0..<40 {
          expected[(image * count + group) * 40 + channel] += Double(
            values[(image * 700 + token) * 40 + channel])
        }
      }
    }
    for index in expected.indices { expected[index] /= sizes[index / 40] }
    #expect(worstError(means.values, expected) < 1e-6)
    var sum = x
    compute.accumulate(means, ofGroups: places, into: &sum)
    let wanted = values.indices.map { index in
      let (row, channel) = (index / 40, index % 40)
      let place = row / 700 * count + groups[row / 700][row % 700]
      return Double(values[index]) + expected[place * 40 + channel]
    }
    #expect(worstError(sum.values, wanted) < 1e-6)
  }

  @Test func mostAlike() {
    let (tokens, others) = (Array(0..<500), Array(500..<700))
    let values = x.values
    func cosine(_ a: Int, _ b: Int) -> Double {
      let (a, b) = (
        values[a * 40..<a * 40 + 40].map(Double.init), values[b * 40..<b * 40 + 40].map(Double.init)
      )
      func product(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
      return product(a, b) / (product(a, a) * product(b, b)).squareRoot()
    }
    let found = [1, 2, 3, 5].map { Compute(threads: $0).mostAlike(x, image: 1, tokens, among: others) }
    for other in found { #expect(other.cosines == found[0].cosines && other.places == found[0].places) }
    for token in stride(from: 0, to: 500, by: 7) {
      let all = others.map { cosine(700 + token, 700 + $0) }
      #expect(abs(Double(found[0].cosines[token]) - (all.max() ?? 0)) < 1e-6)
      #expect((all.max() ?? 0) - all[found[0].places[token]] < 1e-6)
    }
  }

  /// The first of two that are the same, and neither zeros nor what is no number is taken for more than it is.
  @Test func ties() {
    let x = Tensor(shape: [1, 4, 2], values: [1, 1, 2, 2, 2, 2, 0, 0])
    let found = Compute(threads: 1).mostAlike(x, image: 0, [0], among: [3, 1, 2])
    #expect(found.places == [1] && abs(found.cosines[0] - 1) < 1e-6)
    // It counts as at a right angle to all: less than what is alike, more than what is opposite.
    let nan = Tensor(shape: [1, 4, 1], values: [1, .nan, -1, 5])
    let places = Compute(threads: 1).mostAlike(nan, image: 0, [0, 2, 1], among: [1, 2, 3]).places
    #expect(places == [2, 1, 0])
  }

  /// A plan counts the cosines, in pieces.
  @Test func isPlanned() {
    let meter = MemoryMeter()
    let compute = Compute(planning: meter, taskThreads: 1)
    let x = Tensor(meta: [1, 8192, 16])
    _ = compute.mostAlike(x, image: 0, Array(2048..<8192), among: Array(0..<2048))
    let piece = 1536 * 2048 * 4
    #expect(meter.largest == piece && meter.peak >= piece && meter.peak < 2 * piece)
    let groups = TokenGroups([(0..<8192).map { $0 / 2 }], count: 4096)
    #expect(compute.means(of: x, groups).shape == [1, 4096, 16])
  }
}
