import Diffusion
import Tensors
import GoldenModels
import TestSupport
import Testing

/// The Brownian motion of a seed against genuine torchsde, interval by interval.
@Suite struct BrownianTreeTests {
  struct Case: Decodable {
    let name: String
    let seed: String
    let start: Double
    let end: Double
    let from: Double
    let to: Double
  }

  private let shape = [1, 2, 4, 4]

  @Test func sameAsTorchsde() throws {
    let cases: [Case] = try Golden.decode("numbers/brownian.json")
    let golden = try Golden.tensors("numbers/brownian.safetensors")
    #expect(cases.count > 15)
    for entry in cases {
      let tree = BrownianTree(from: entry.start, to: entry.end, seed: try #require(UInt64(entry.seed)))
      let moved = try #require(tree.increment(from: entry.from, to: entry.to, shape: shape), "\(entry)")
      let error = relativeError(moved, try golden[entry.name].channelsLast)
      #expect(error < 1e-5, "\(entry): \(error)")
    }
  }

  /// Parts add up to the whole, whatever was looked at before; nothing is between two equal times.
  @Test func partsAddUp() throws {
    let tree = BrownianTree(from: 0.03, to: 14.6, seed: 3)
    let whole = try #require(tree.increment(from: 0.03, to: 14.6, shape: shape))
    let low = try #require(tree.increment(from: 0.03, to: 2, shape: shape))
    let high = try #require(tree.increment(from: 2, to: 14.6, shape: shape))
    #expect(relativeError(combine(1, low, 1, high), whole) < 1e-5)
    #expect(tree.increment(from: 2, to: 2.0000001, shape: shape) == nil)
    #expect(tree.increment(from: 20, to: 30, shape: shape) == nil)
    // Another seed is another motion, in its high half too.
    let other = BrownianTree(from: 0.03, to: 14.6, seed: 3 + 1 << 32)
    #expect(relativeError(try #require(other.increment(from: 2, to: 14.6, shape: shape)), high) > 0.5)
  }
}
