import Requests
import Tensors
import TestSupport
import Testing

/// A convolution that normalizes, enlarges and activates on the way has the bits of one after the other.
@Suite struct NormalizedConvolutionTests {
  private let channels = 24
  private let outputs = 70

  private func drawn(_ shape: [Int], seed: UInt64) -> Tensor {
    var random = RandomNumbers(seed: seed)
    return Tensor(shape: shape, values: random.floats(shape.reduce(1, *), limit: 2))
  }

  private func weight(_ kernel: Int, _ precision: Precision) throws -> PackedWeight {
    try PackedWeight(
      convolution: WeightRows(drawn([outputs, kernel * kernel * channels], seed: 2)),
      taps: kernel * kernel, precision: precision)
  }

  /// Height and width of the source and of what is convolved, the kernel, the stride. Positions of the first image end in the
  /// middle of a task's.
  @Test(
    arguments: [Precision.f32, .bf16, .int8],
    [
      [1, 1, 1, 1, 1, 1], [7, 9, 7, 9, 3, 1], [41, 53, 41, 53, 3, 1], [5, 6, 10, 12, 3, 1],
      [7, 4, 13, 7, 3, 1],
      [8, 9, 8, 9, 3, 2], [20, 17, 40, 34, 3, 2],
    ]) func onTheWay(precision: Precision, p: [Int]) throws
  {
    let x = drawn([2, p[0], p[1], channels], seed: 1)
    let size = (height: p[2], width: p[3])
    let shape = ConvolutionShape(kernel: p[4], stride: p[5])
    let weight = try weight(p[4], precision)
    let (scale, shift) = (drawn([channels], seed: 3), drawn([channels], seed: 4))
    let epilogue = ProductEpilogue(bias: drawn([outputs], seed: 5), activation: .relu)
    for threads in [1, 3] {
      let compute = Compute(threads: threads)
      for silu in [false, true] {
        // Each image alone, so that none can have another's scale.
        let normalized = Tensor.batch(
          (0..<2).map {
            compute.groupNorm(
              x.image($0), groups: 6, weight: scale, bias: shift, epsilon: 1e-5, silu: silu)
          })
        let enlarged = compute.resizeNearest(normalized, height: size.height, width: size.width)
        let bare = compute.convolution(enlarged, weight, shape: shape, ProductEpilogue(bias: epilogue.bias))
        let residual = drawn(bare.shape, seed: 6)
        let expected = compute.add(compute.activate(bare, .relu), residual)
        let affine = compute.groupAffine(
          x, groups: 6, weight: scale, bias: shift, epsilon: 1e-5, silu: silu)
        let found = compute.convolution(
          x, weight, shape: shape, after: affine, epilogue, adding: residual, enlargedTo: size)
        #expect(found.shape == expected.shape)
        // Counted, because what differs between two long arrays would be looked for until the test is killed.
        let differing = zip(found.values, expected.values).count { $0.bitPattern != $1.bitPattern }
        #expect(differing == 0, "\(threads), \(silu)")
      }
    }
  }

  /// In reduced precision no normalized or enlarged tensor is made, and a plan knows it.
  @Test(arguments: [Precision.bf16, .int8]) func nothingIsMadeInBetween(precision: Precision) throws {
    let meter = MemoryMeter()
    let compute = Compute(planning: meter, taskThreads: 2)
    let weight = try weight(3, precision)
    let channel = Tensor(shape: [channels], repeating: 1)
    let x = Tensor(meta: [1, 256, 256, channels])
    let affine = compute.groupAffine(x, groups: 6, weight: channel, bias: channel, epsilon: 1e-5, silu: true)
    let result = compute.convolution(
      x, weight, shape: ConvolutionShape(kernel: 3), after: affine, enlargedTo: (512, 512))
    #expect(result.shape == [1, 512, 512, outputs])
    // Beside the result only the prepared pixels of the small picture, and one outside.
    let prepared = (x.count / channels + 1) * weight.segmentBytes
    #expect(meter.peak == MemoryMeter.blockSize(result.byteCount) + MemoryMeter.blockSize(prepared))
  }
}
