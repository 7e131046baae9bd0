import Requests
import Tensors
import Testing

/// What an operation takes beside its result is in its plan.
@Suite struct TemporaryMemoryTests {
  /// The most bytes of a planned operation.
  private func peak(_ body: (Compute) -> Tensor) -> Int {
    let meter = MemoryMeter()
    let result = body(Compute(planning: meter, taskThreads: ProcessorLimit.current))
    // The result is there, and nothing else is any more.
    #expect(result.isMeta && meter.live == MemoryMeter.blockSize(result.byteCount))
    return meter.peak
  }

  @Test func sumsOfAGroupNormalizationCount() {
    let x = Tensor(meta: [1, 512, 512, 64])
    let channel = Tensor(shape: [64], repeating: 1)
    let meter = MemoryMeter()
    _ = Compute(planning: meter, taskThreads: ProcessorLimit.current).groupAffine(
      x, groups: 32, weight: channel, bias: channel, epsilon: 1e-5, silu: true)
    // Two doubles a channel for every piece of 512 positions. They are gone before there is a result.
    #expect(meter.live == 0 && meter.peak >= 512 * 2 * 64 * 8)
    #expect(
      peak { $0.groupNorm(x, groups: 32, weight: channel, bias: channel, epsilon: 1e-5) } == x.byteCount)
  }

  @Test func roundedInputsCount() throws {
    let weight = try PackedWeight(
      linear: WeightRows(Tensor(shape: [1280, 1280], repeating: 0.5)), precision: .bf16)
    let x = Tensor(meta: [1, 1024, 1280])
    // Rounded ahead where tasks do not round their own rows; never less than the result.
    let peak = peak { $0.product(x, weight) }
    #expect(peak >= x.byteCount)
    var sum = Tensor(meta: [1, 1024, 1280])
    let meter = MemoryMeter()
    Compute(planning: meter, taskThreads: ProcessorLimit.current).product(x, weight, addedTo: &sum)
    #expect(peak - x.byteCount == meter.peak)
  }

  @Test func transformedPixelsCount() throws {
    let edge = 64
    let weight = try WinogradWeight(
      WeightRows(Tensor(shape: [32, 32, 3, 3], repeating: 0.5)))
    let x = Tensor(meta: [1, edge, edge, 32])
    let peak = peak { $0.convolution(x, weight, bias: nil) }
    // 36 values for each 4×4 tile of a channel.
    #expect(peak >= x.byteCount + edge * edge / 16 * 36 * 32 * 4)
  }

  /// Writing to a tensor that another value shares takes a copy.
  @Test func copiesCount() {
    let meter = MemoryMeter()
    let compute = Compute(planning: meter, taskThreads: ProcessorLimit.current)
    let x = compute.zeros(shape: [1 << 20])
    let sum = compute.add(x, x)
    #expect(sum.isMeta && meter.peak == 2 * x.byteCount)
  }
}
