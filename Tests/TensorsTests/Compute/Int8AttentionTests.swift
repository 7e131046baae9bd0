import CKernels
import Foundation
import Requests
import Tensors
import TestSupport
import Testing

/// Attention whose products are in int8: how far off it is, and that every set gives the same bits.
@Suite struct Int8AttentionTests {
  /// Queries, keys and values of one head.
  private struct Head {
    var queries: [Float]
    var keys: [Float]
    var values: [Float]
    let width: Int

    init(queries: Int, keys: Int, width: Int, seed: UInt64 = 48) {
      var random = RandomNumbers(seed: seed)
      self.queries = random.floats(queries * width, limit: 2)
      self.keys = random.floats(keys * width, limit: 2)
      values = random.floats(keys * width)
      self.width = width
    }

    var keyCount: Int { keys.count / width }
    var queryCount: Int { queries.count / width }

    /// By the kernel itself, on the level in use: `Compute` takes it for many keys only.
    func attend() -> Tensor {
      var shape = segmoe_attention(
        stride: width, result_stride: width, keys: keyCount, width: width,
        scale: 1 / Float(width).squareRoot(),
        causal: 0)
      let panels = (keyCount + 7) / 8
      // What is packed has no zeros but those that the kernel writes.
      var packedKeys = [Float](repeating: .nan, count: segmoe_packed_keys_int8_size(keyCount, width))
      var packedValues = [Float](repeating: .nan, count: segmoe_packed_values_int8_size(keyCount, width))
      var scratch = [Float](repeating: .nan, count: segmoe_attention_scratch(queryCount, width))
      segmoe_measure_keys_int8(keys, width, keyCount, width, &packedKeys)
      segmoe_measure_values_int8(values, width, keyCount, width, &packedValues)
      segmoe_pack_keys_int8(keys, width, keyCount, width, &packedKeys, 0, panels)
      segmoe_pack_values_int8(values, width, keyCount, width, &packedValues, 0, panels)
      return Tensor(shape: [queryCount, width]) { result in
        segmoe_attend_int8(
          &shape, queries, 0, queryCount, packedKeys, packedValues, result.baseAddress, &scratch)
      }
    }

    /// In double precision.
    var expected: [Double] {
      (0..<queryCount).flatMap { row -> [Double] in
        let scores = (0..<keyCount).map { key in
          (0..<width).reduce(0.0) { $0 + Double(queries[row * width + $1]) * Double(keys[key * width + $1]) }
            / Double(width).squareRoot()
        }
        let top = scores.max() ?? 0
        let weights = scores.map { exp($0 - top) }
        let total = weights.reduce(0, +)
        return (0..<width).map { channel in
          (0..<keyCount).reduce(0.0) { $0 + weights[$1] / total * Double(values[$1 * width + channel]) }
        }
      }
    }
  }

  /// Root of the mean square of the difference over that of what is expected.
  private func relativeError(_ result: [Float], _ expected: [Double]) -> Double {
    let (difference, size) = zip(result, expected).reduce((0.0, 0.0)) {
      ($0.0 + pow(Double($1.0) - $1.1, 2), $0.1 + pow($1.1, 2))
    }
    return (difference / size).squareRoot()
  }

  /// Queries, keys, width.
  private static let shapes = [
    [1, 1, 1], [3, 1, 4], [70, 70, 8], [65, 77, 40], [50, 600, 17], [97, 530, 200], [300, 300, 33],
    [48, 128, 64],
    [5, 129, 300],
  ]

  @Test(arguments: shapes) func everySetGivesTheSameBits(_ p: [Int]) {
    let head = Head(queries: p[0], keys: p[1], width: p[2])
    let results = ProductLevels.each(head.attend)
    for (level, result) in results.dropFirst() {
      #expect(
        result.values.map(\.bitPattern) == results[0].result.values.map(\.bitPattern),
        "level \(level.rawValue)")
    }
  }

  /// The error of a head is a little above 1% of what the head says.
  @Test(arguments: shapes) func ordinaryNumbers(_ p: [Int]) {
    let head = Head(queries: p[0], keys: p[1], width: p[2])
    let error = relativeError(head.attend().values, head.expected)
    #expect(error <= 0.016, "\(error)")
  }

  /// Weights do not change if the same is added to every key, and what is added to every value comes back exactly.
  @Test func keysAndValuesFarFromZero() {
    var head = Head(queries: 60, keys: 400, width: 24)
    for i in head.keys.indices { head.keys[i] += [-50, 0, 50][i % 3] }
    let error = relativeError(head.attend().values, head.expected)
    #expect(error <= 0.016, "\(error)")
    for i in head.values.indices { head.values[i] += 10 }
    // Of the numbers less 10, this would be the same error.
    let moved = relativeError(head.attend().values.map { $0 - 10 }, head.expected.map { $0 - 10 })
    #expect(moved <= 0.016, "\(moved)")
  }

  /// A channel of the keys thirty times as large as the others: its size goes to the queries by half. With one scale
  /// for all channels as they are, the error is 0.14.
  @Test func anOutlyingChannel() {
    var head = Head(queries: 60, keys: 700, width: 40)
    for key in 0..<head.keyCount { head.keys[key * head.width] *= 30 }
    let error = relativeError(head.attend().values, head.expected)
    #expect(error <= 0.06, "\(error)")
  }

  /// One key has the largest weight by far, and thousands have most of all weight together. Each of these would be rounded
  /// to nothing beside the first; only those of its own block are.
  @Test func aLongTail() {
    var head = Head(queries: 1, keys: 4096, width: 4)
    for i in head.keys.indices { head.keys[i] = i == 0 ? 6.3 : 0 }
    for i in head.values.indices { head.values[i] = i < head.width ? 1 : -1 }
    head.queries = [2, 0, 0, 0]
    let error = relativeError(head.attend().values, head.expected)
    #expect(error <= 0.05, "\(error)")
  }

  @Test func scoresFarApart() {
    var head = Head(queries: 5, keys: 300, width: 4)
    for key in 0..<head.keyCount {
      for channel in 0..<head.width {
        head.keys[key * head.width + channel] = key == 200 ? 300 : -300
        head.values[key * head.width + channel] = Float(key)
      }
    }
    head.queries = [Float](repeating: 1, count: head.queries.count)
    for value in head.attend().values { #expect(abs(value - 200) < 0.5) }
  }

  @Test func oneKeyIsItsValue() {
    let head = Head(queries: 70, keys: 1, width: 12)
    let result = head.attend().values
    for row in 0..<head.queryCount { #expect(Array(result[row * 12..<(row + 1) * 12]) == head.values) }
  }

  /// A query of zeros sees all keys alike.
  @Test func zerosGiveTheMean() {
    var head = Head(queries: 3, keys: 500, width: 10)
    head.queries = [Float](repeating: 0, count: head.queries.count)
    let result = head.attend().values
    for (value, expected) in zip(result, head.expected) { #expect(abs(Double(value) - expected) < 1e-3) }
  }

  /// A number that is not finite shows in all that hangs on it, and in nothing else.
  @Test(arguments: [Float.nan, .infinity, -.infinity]) func notFinite(_ number: Float) {
    let sound = Head(queries: 20, keys: 150, width: 12)
    for value in sound.attend().values { #expect(value.isFinite) }
    var head = sound
    head.queries[7 * 12 + 3] = number
    for (level, result) in ProductLevels.each(head.attend) {
      for (i, value) in result.values.enumerated() {
        #expect(value.isFinite == (i / 12 != 7), "\(level) \(i)")
      }
    }
    head = sound
    head.keys[140 * 12 + 3] = number
    for (level, result) in ProductLevels.each(head.attend) {
      for (i, value) in result.values.enumerated() { #expect(!value.isFinite, "\(level) \(i)") }
    }
    head = sound
    head.values[140 * 12 + 3] = number
    for (level, result) in ProductLevels.each(head.attend) {
      for (i, value) in result.values.enumerated() {
        #expect(value.isFinite == (i % 12 != 3), "\(level) \(i)")
      }
    }
  }

  /// By `Compute`: heads side by side in wider rows, two images.
  private func attend(keys count: Int, precision: Precision, threads: Int = 2, images: Range<Int> = 0..<2)
    -> Tensor
  {
    let (heads, width, queries) = (3, 20, 110)
    var random = RandomNumbers(seed: 5)
    func tensor(_ rows: Int) -> Tensor {
      let values = random.floats(2 * rows * heads * width)
      let image = rows * heads * width
      return Tensor(
        shape: [images.count, rows, heads * width],
        values: Array(values[images.lowerBound * image..<images.upperBound * image]))
    }
    let (query, key, value) = (tensor(queries), tensor(count), tensor(count))
    return Compute(threads: threads).attention(
      query: query, key: key, value: value, heads: heads, precision: precision)
  }

  /// Neither threads nor the other image show.
  @Test func byThreadsAndImages() {
    let whole = attend(keys: 700, precision: .int8)
    for threads in [1, 3, 5] {
      #expect(attend(keys: 700, precision: .int8, threads: threads).values == whole.values)
    }
    let apart = (0..<2).flatMap { attend(keys: 700, precision: .int8, images: $0..<$0 + 1).values }
    #expect(apart == whole.values)
  }

  /// Many keys are taken in int8 where the layer is, few never.
  @Test func onlyManyKeys() {
    let (exact, rounded) = (attend(keys: 129, precision: .f32), attend(keys: 129, precision: .int8))
    let error = relativeError(rounded.values, exact.values.map(Double.init))
    #expect(error > 0.003 && error <= 0.016, "\(error)")
    #expect(attend(keys: 128, precision: .int8).values == attend(keys: 128, precision: .bf16).values)
  }
}
