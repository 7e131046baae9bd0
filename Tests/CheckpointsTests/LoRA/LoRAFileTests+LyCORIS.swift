import Checkpoints
import Tensors
import TestSupport
import Testing

/// Convolutions and LyCORIS, on `conv_in` of shape [4, 2, 3, 3].
extension LoRAFileTests {
  private func expectConvolution(
    _ folder: TemporaryFolder, _ tensors: [String: TestTensor], _ change: [Float], _ scale: Float
  ) throws {
    let named = Dictionary(uniqueKeysWithValues: tensors.map { ("lora_unet_conv_in.\($0.key)", $0.value) })
    let fused = try lora(folder, named).apply(to: networks(folder))
    try expect(fused[.unet], "conv_in.weight", Self.network["conv_in.weight"], plus: change, times: scale)
  }

  @Test func convolutionsTakeTheWholeKernel() throws {
    let folder = try TemporaryFolder()
    let (down, up) = (TestTensor([3, 2, 3, 3], seed: 60), TestTensor([4, 3, 1, 1], seed: 61))
    try expectConvolution(
      folder, ["lora_down.weight": down, "lora_up.weight": up, "alpha": TestTensor([1], [6])],
      product(TestTensor([4, 3], up.values), down), 2)
  }

  @Test func tuckerConvolutionsExpandTheirCore() throws {
    let folder = try TemporaryFolder()
    let (p, q) = (3, 2)
    let up = TestTensor([4, p, 1, 1], seed: 62)
    let mid = TestTensor([p, q, 3, 3], seed: 63)
    let down = TestTensor([q, 2, 1, 1], seed: 64)
    var change: [Float] = []
    for o in 0..<4 {
      for i in 0..<2 {
        for k in 0..<9 {
          var sum: Float = 0
          for a in 0..<p {
            for b in 0..<q {
              sum += up.values[o * p + a] * mid.values[(a * q + b) * 9 + k] * down.values[b * 2 + i]
            }
          }
          change.append(sum)
        }
      }
    }
    // LyCORIS divides alpha by the rank of lora_down.
    try expectConvolution(
      folder,
      ["lora_down.weight": down, "lora_mid.weight": mid, "lora_up.weight": up, "alpha": TestTensor([], [1])],
      change, 0.5)
  }

  @Test func loHaMultipliesTwoProducts() throws {
    let folder = try TemporaryFolder()
    let parts = [
      "hada_w1_a": TestTensor([4, 2], seed: 70), "hada_w1_b": TestTensor([2, 18], seed: 71),
      "hada_w2_a": TestTensor([4, 2], seed: 72), "hada_w2_b": TestTensor([2, 18], seed: 73),
      "alpha": TestTensor([], [4]),
    ]
    let first = product(TestTensor([4, 2], seed: 70), TestTensor([2, 18], seed: 71))
    let second = product(TestTensor([4, 2], seed: 72), TestTensor([2, 18], seed: 73))
    try expectConvolution(folder, parts, zip(first, second).map(*), 2)
  }

  @Test func loHaCoresExpand() throws {
    let folder = try TemporaryFolder()
    let rank = 2
    func rebuilt(_ core: TestTensor, _ a: TestTensor, _ b: TestTensor) -> [Float] {
      // einsum("i j k l, j r, i p -> p r k l", core, b, a)
      var result: [Float] = []
      for p in 0..<4 {
        for r in 0..<2 {
          for k in 0..<9 {
            var sum: Float = 0
            for i in 0..<rank {
              for j in 0..<rank {
                sum += core.values[(i * rank + j) * 9 + k] * b.values[j * 2 + r] * a.values[i * 4 + p]
              }
            }
            result.append(sum)
          }
        }
      }
      return result
    }
    let cores = [TestTensor([2, 2, 3, 3], seed: 80), TestTensor([2, 2, 3, 3], seed: 81)]
    let (a1, b1) = (TestTensor([2, 4], seed: 82), TestTensor([2, 2], seed: 83))
    let (a2, b2) = (TestTensor([2, 4], seed: 84), TestTensor([2, 2], seed: 85))
    try expectConvolution(
      folder,
      [
        "hada_t1": cores[0], "hada_w1_a": a1, "hada_w1_b": b1, "hada_t2": cores[1], "hada_w2_a": a2,
        "hada_w2_b": b2,
        "alpha": TestTensor([], [2]),
      ], zip(rebuilt(cores[0], a1, b1), rebuilt(cores[1], a2, b2)).map(*), 1)
  }

  private func kronecker(_ outer: [Float], _ outerShape: [Int], _ inner: [Float], _ innerShape: [Int])
    -> [Float]
  {
    let columns = outerShape[1] * innerShape[1]
    return (0..<(outerShape[0] * innerShape[0] * columns)).map { index in
      let (row, column) = (index / columns, index % columns)
      return outer[row / innerShape[0] * outerShape[1] + column / innerShape[1]]
        * inner[row % innerShape[0] * innerShape[1] + column % innerShape[1]]
    }
  }

  @Test func loKrIsAKroneckerProduct() throws {
    let folder = try TemporaryFolder()
    let (w1, w2) = (TestTensor([2, 2], seed: 90), TestTensor([2, 1, 3, 3], seed: 91))
    // Two whole factors: alpha has no meaning.
    try expectConvolution(
      folder, ["lokr_w1": w1, "lokr_w2": w2, "alpha": TestTensor([], [100])],
      kronecker(w1.values, [2, 2], w2.values, [2, 9]), 1)
    let (a, b) = (TestTensor([2, 2], seed: 92), TestTensor([2, 9], seed: 93))
    try expectConvolution(
      folder, ["lokr_w1": w1, "lokr_w2_a": a, "lokr_w2_b": b, "alpha": TestTensor([], [1])],
      kronecker(w1.values, [2, 2], product(a, b), [2, 9]), 0.5)
    let (c, d) = (TestTensor([2, 1], seed: 94), TestTensor([1, 2], seed: 95))
    try expectConvolution(
      folder, ["lokr_w1_a": c, "lokr_w1_b": d, "lokr_w2": w2, "alpha": TestTensor([], [3])],
      kronecker(product(c, d), [2, 2], w2.values, [2, 9]), 3)
  }
}
