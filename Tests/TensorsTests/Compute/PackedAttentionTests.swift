import CKernels
import Foundation
import Tensors
import TestSupport
import Testing

/// Attention whose products are in bfloat16.
@Suite struct PackedAttentionTests {
  /// What is forced holds on one thread.
  private let compute = Compute(threads: 1)

  /// Attention in bfloat16 by the processor's instructions against the scalar reference, and that against
  /// attention in single precision: queries, keys, heads, width, causal.
  @Test(arguments: [
    [1, 1, 1, 4, 0], [70, 70, 3, 8, 1], [65, 77, 2, 40, 0], [50, 600, 1, 17, 0], [97, 530, 1, 200, 0],
    [300, 300, 2, 33, 1],
  ])
  func attention(_ p: [Int]) {
    let (queries, keys, heads, width, causal) = (p[0], p[1], p[2], p[3], p[4] == 1)
    let channels = heads * width
    var random = RandomNumbers(seed: 48)
    func tensor(_ rows: Int, limit: Float) -> Tensor {
      Tensor(shape: [1, rows, channels], values: random.floats(rows * channels, limit: limit))
    }
    let (query, key, value) = (tensor(queries, limit: 2), tensor(keys, limit: 2), tensor(keys, limit: 1))
    /// By the kernel itself: `Compute` takes it only where it is the faster one.
    func attend() -> Tensor {
      var shape = segmoe_attention(
        stride: channels, result_stride: channels, keys: keys, width: width,
        scale: 1 / Float(width).squareRoot(), causal: causal ? 1 : 0)
      let panels = (keys + 7) / 8
      return Tensor(shape: query.shape) { result in
        guard let result = result.baseAddress else { return }
        for head in 0..<heads {
          var packedKeys = [UInt32](repeating: 1, count: segmoe_packed_keys_bf16_size(keys, width))
          var packedValues = [UInt32](repeating: 1, count: segmoe_packed_values_bf16_size(keys, width))
          var scratch = [Float](repeating: 0, count: segmoe_attention_scratch(queries, width))
          func base(_ tensor: Tensor) -> [Float] { Array(tensor.values[(head * width)...]) }
          segmoe_pack_keys_bf16(base(key), channels, keys, width, &packedKeys, 0, panels)
          segmoe_pack_values_bf16(base(value), channels, keys, width, &packedValues, 0, panels)
          segmoe_attend_bf16(
            &shape, base(query), 0, queries, packedKeys, packedValues, result + head * width,
            &scratch)
        }
      }
    }
    let single = compute.attention(query: query, key: key, value: value, heads: heads, causal: causal)
    let results = ProductLevels.each(attend)
    let reference = results[0].result
    let error = relativeError(reference.values, single.values)
    #expect(error > 1e-4 && error < 0.006, "\(error) from single precision")
    for (level, result) in results.dropFirst() {
      // Where a weight is rounded hangs on the last bit of its score.
      let apart = relativeError(result.values, reference.values)
      #expect(apart < 3e-4, "level \(level.rawValue): \(apart) from the reference")
    }
  }

  /// Root of the mean square of a − b over that of b.
  private func relativeError(_ a: [Float], _ b: [Float]) -> Double {
    let (difference, size) = zip(a, b).reduce((0.0, 0.0)) {
      ($0.0 + pow(Double($1.0) - Double($1.1), 2), $0.1 + pow(Double($1.1), 2))
    }
    return (difference / size).squareRoot()
  }
}
