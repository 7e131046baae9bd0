import CKernels
import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite struct ConversionTests {
  private func widened(
    _ source: [UInt16], _ convert: (UnsafePointer<UInt16>?, UnsafeMutablePointer<Float>?, Int) -> Void
  ) -> [UInt32] {
    var result = [Float](repeating: 0, count: source.count)
    convert(source, &result, source.count)
    return result.map(\.bitPattern)
  }

  private func narrowed(
    _ source: [Float], _ convert: (UnsafePointer<Float>?, UnsafeMutablePointer<UInt16>?, Int) -> Void
  ) -> [UInt16] {
    var result = [UInt16](repeating: 0, count: source.count)
    convert(source, &result, source.count)
    return result
  }

  @Test func everyHalfWidensLikeItsReference() {
    let all = (0...UInt16.max).map { $0 }
    let scalar = widened(all, segmoe_f16_to_f32_scalar)
    #expect(widened(all, segmoe_f16_to_f32) == scalar)
    #expect(widened(all, segmoe_bf16_to_f32) == widened(all, segmoe_bf16_to_f32_scalar))
    // And the reference like Swift's own type; NaNs only as NaNs.
    for (bits, wide) in zip(all, scalar) {
      let value = Float(Float16(bitPattern: bits))
      #expect(value.isNaN ? Float(bitPattern: wide).isNaN : wide == value.bitPattern)
    }
  }

  @Test func narrowingRoundsToNearestEven() {
    var generator = RandomNumbers(seed: 7)
    var values = (0..<200_003).map { _ in
      Float(bitPattern: UInt32.random(in: 0...UInt32.max, using: &generator))
    }
    // Ties and borders: between halves, the largest, subnormals, zeros, infinities.
    for bits in stride(from: UInt16(0), to: 0x7c00, by: 7) {
      let (low, high) = (Float(Float16(bitPattern: bits)), Float(Float16(bitPattern: bits + 1)))
      let middle = low + (high - low) / 2
      values += [low, middle, -middle, middle.nextUp, middle.nextDown]
    }
    values += [
      65504, 65519.996, 65520, 1e30, .infinity, -.infinity, .nan, -0.0, 0x1p-25, 0x1.8p-25,
      .leastNonzeroMagnitude,
    ]
    let halves = narrowed(values, segmoe_f32_to_f16)
    #expect(halves == narrowed(values, segmoe_f32_to_f16_scalar))
    for (value, half) in zip(values, halves) {
      #expect(value.isNaN ? Float16(bitPattern: half).isNaN : half == Float16(value).bitPattern, "\(value)")
    }
    let brains = narrowed(values, segmoe_f32_to_bf16)
    #expect(brains == narrowed(values, segmoe_f32_to_bf16_scalar))
    for (value, brain) in zip(values, brains) {
      let back = Float(bitPattern: UInt32(brain) << 16)
      #expect(value.isNaN == back.isNaN)
    }
    let ties: [UInt32] = [0x3f80_8000, 0x3f81_8000, 0x3f80_8001, 0x7f7f_8000, 0x7f80_0001]
    #expect(
      narrowed(ties.map(Float.init(bitPattern:)), segmoe_f32_to_bf16) == [
        0x3f80, 0x3f82, 0x3f81, 0x7f80, 0x7fc0,
      ])
  }
}
