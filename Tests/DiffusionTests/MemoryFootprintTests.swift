import Testing

@testable import Diffusion

/// What a budget reckons with beside tensors.
@Suite struct MemoryFootprintTests {
  private let margin = MemoryBudget.margin
  private let left = MemoryBudget.leastMargin

  /// What the margin is there for must not have it added once more.
  @Test func growthComesOutOfTheMargin() {
    let footprint = MemoryFootprint()
    let first = footprint.bytes(measured: 50 << 20)
    #expect(first == 50 << 20 + margin)
    #expect(footprint.bytes(measured: 80 << 20) == first)
    #expect(footprint.bytes(measured: 50 << 20 + margin - left) == first)
  }

  /// But some of it is always left.
  @Test func someOfTheMarginStays() {
    let footprint = MemoryFootprint()
    _ = footprint.bytes(measured: 50 << 20)
    #expect(footprint.bytes(measured: 200 << 20) == 200 << 20 + left)
    #expect(footprint.bytes(measured: 40 << 20) == 40 << 20 + margin)
  }
}
