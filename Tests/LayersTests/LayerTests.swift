import Checkpoints
import Layers
import Requests
import Tensors
import TestSupport
import Testing

/// Layers from small files against plain loops, and what is said of files that do not fit.
@Suite struct LayerTests {
  private let folder: TemporaryFolder
  private let compute = Compute(threads: 2)

  init() throws { folder = try TemporaryFolder() }

  private func weights(_ tensors: [String: TestTensor]) throws -> Weights {
    let file = try SafetensorsFile(path: folder.write("a.safetensors", tensors: tensors))
    return try Weights(files: [file], path: file.path)
  }

  /// x · weightᵀ + bias, row by row.
  private func product(_ x: TestTensor, _ weight: TestTensor, _ bias: TestTensor? = nil) -> [Double] {
    let (inputs, outputs) = (weight.shape[1], weight.shape[0])
    return (0..<x.values.count / inputs).flatMap { row in
      (0..<outputs).map { output in
        (0..<inputs).reduce(Double(bias?.values[output] ?? 0)) { sum, input in
          sum + Double(x.values[row * inputs + input]) * Double(weight.values[output * inputs + input])
        }
      }
    }
  }

  private func expectClose(
    _ found: Tensor, _ wanted: [Double], within bound: Double = 1e-5,
    location: SourceLocation = #_sourceLocation
  ) {
    let worst = zip(found.values, wanted).map { abs(Double($0) - $1) }.max() ?? .infinity
    let scale = wanted.map(abs).max() ?? 0
    #expect(
      found.values.count == wanted.count && worst <= bound * max(scale, 1), "\(worst)",
      sourceLocation: location)
  }

  @Test func aLinearLayerMultipliesAddsAndWeighsRows() throws {
    let (weight, bias) = (TestTensor([5, 7], seed: 1), TestTensor([5], seed: 2))
    let x = TestTensor([2, 3, 7], seed: 3)
    let layer = try Linear(weights(["weight": weight, "bias": bias]), inputs: 7, outputs: 5)
    let input = Tensor(shape: x.shape, values: x.values)
    let wanted = product(x, weight, bias)
    let found = layer(input, compute)
    #expect(found.shape == [2, 3, 5])
    expectClose(found, wanted)
    let rowWeights: [Float] = [1, 0, 2, -1, 0.5, 3]
    let weighted = wanted.enumerated().map { $1 * Double(rowWeights[$0 / 5]) }
    expectClose(layer(input, rowWeights: rowWeights, compute), weighted)
    var sum = Tensor(shape: [2, 3, 5], repeating: 1)
    layer.add(input, rowWeights: rowWeights, to: &sum, compute)
    expectClose(sum, weighted.map { $0 + 1 })
  }

  @Test func stackedLayersAreSideBySide() throws {
    let (first, second) = (TestTensor([2, 4], seed: 4), TestTensor([2, 4], seed: 5))
    let scope = try weights(["q.weight": first, "k.weight": second])
    let layer = try Linear(stacking: [scope["q"], scope["k"]], inputs: 4, outputs: 2)
    let x = TestTensor([1, 4], seed: 6)
    expectClose(
      layer(Tensor(shape: x.shape, values: x.values), compute), product(x, first) + product(x, second))
  }

  @Test func aLayerNormHasMeanZeroAndDeviationOne() throws {
    let layer = try LayerNorm(
      weights([
        "weight": TestTensor([4], [1, 1, 2, 1]), "bias": TestTensor([4], [0, 0, 0, 5]),
      ]), channels: 4, epsilon: 0)
    let found = layer(Tensor(shape: [1, 4], values: [-1, 1, -1, 1]), compute)
    expectClose(found, [-1, 1, -2, 6])
  }

  /// By each of its algorithms a convolution has the bits of one step after the other.
  @Test(arguments: [Precision.f32, .bf16, .int8]) func aConvolutionDoesTheRestOnTheWay(
    precision: Precision
  ) throws {
    let scope = try weights([
      "norm.weight": TestTensor([8], seed: 1), "norm.bias": TestTensor([8], seed: 2),
      "conv.weight": TestTensor([12, 8, 3, 3], seed: 3), "conv.bias": TestTensor([12], seed: 4),
    ])
    let norm = try GroupNorm(scope["norm"], channels: 8, groups: 2, epsilon: 1e-5, silu: true)
    let layer = try Convolution(
      scope["conv"].layers(in: precision), inputs: 8, outputs: 12, shape: ConvolutionShape(kernel: 3))
    let (x, sum) = (TestTensor([2, 9, 7, 8], seed: 5), TestTensor([2, 18, 13, 12], seed: 6))
    let (input, residual) = (
      Tensor(shape: x.shape, values: x.values), Tensor(shape: sum.shape, values: sum.values)
    )
    let enlarged = compute.resizeNearest(norm(input, compute), height: 18, width: 13)
    let wanted = compute.add(compute.activate(layer(enlarged, compute), .silu), residual)
    let found = layer(
      input, after: norm, activation: .silu, adding: residual, enlargedTo: (18, 13), compute)
    #expect(found.shape == wanted.shape)
    #expect(zip(found.values, wanted.values).count { $0.bitPattern != $1.bitPattern } == 0)
  }

  @Test func whatDoesNotFitIsNamed() throws {
    let scope = try weights(["a.weight": TestTensor([5, 7], seed: 1)])
    let missing = CheckpointError.missingTensor(name: "a.bias", path: scope.path)
    #expect(throws: missing) { try Linear(scope["a"], inputs: 7, outputs: 5) }
    #expect(throws: CheckpointError.self) { try Linear(scope["a"], inputs: 5, outputs: 7, bias: false) }
    let groups = #expect(throws: LayerError.self) {
      try GroupNorm(scope["a"], channels: 5, groups: 2, epsilon: 1e-5, silu: false)
    }
    #expect(groups?.description.contains("a: 5 channels") == true)
  }
}
