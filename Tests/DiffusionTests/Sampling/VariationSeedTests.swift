import Diffusion
import Foundation
import GoldenModels
import Requests
import Tensors
import Testing
import WeightCache

/// Variation seeds against AUTOMATIC1111's rule in torch, and pictures that diffusers makes of such noises.
@Suite struct VariationSeedTests {
  struct Case: Decodable {
    let name: String
    let seed: String
    let variationSeed: String
    let strength: Double
    /// Channels, height, width.
    let shape: [Int]
    /// How far the golden is from the same rule in f64: columns that are nearly parallel have no good angle in f32.
    let rounding: Float
  }

  private func noise(_ seed: String, _ shape: [Int]) throws -> Tensor {
    var noise = TorchNoise(seed: try #require(UInt64(seed)))
    return noise.latents(channels: shape[0], height: shape[1], width: shape[2])
  }

  @Test func noisesAreTurnedAsInTheReference() throws {
    let cases: [Case] = try Golden.decode("variation/noise.json")
    let golden = try Golden.tensors("variation/noise.safetensors")
    #expect(cases.count == 9)
    for entry in cases where entry.strength > 0 {
      let ours = try noise(entry.seed, entry.shape)
        .turned(toward: noise(entry.variationSeed, entry.shape), by: entry.strength)
      let theirs = Tensor(shape: [1] + entry.shape, values: try golden[entry.name].values).channelsLast
      #expect(ours.shape == theirs.shape)
      let worst = zip(ours.values, theirs.values).map { abs($0 - $1) }.max() ?? .infinity
      #expect(worst <= 2e-6 + 2 * entry.rounding, "\(entry.name): \(worst)")
    }
  }

  /// Where the original divides by nothing: columns of one row, noises that are each other's opposite.
  @Test func whatHasNoAngleIsMixed() throws {
    let flat = try noise("1", [4, 1, 8]).turned(toward: noise("2", [4, 1, 8]), by: 0.5)
    #expect(flat.isFinite)
    let one = Tensor(shape: [1, 2, 1, 1], values: [3, 4])
    let opposite = one.turned(toward: Tensor(shape: [1, 2, 1, 1], values: [-3, -4]), by: 0.25)
    #expect(opposite.values == [1.5, 2])
  }

  @Test func sameAsTheReference() throws {
    let settings = try GoldenPicture.list("variation")
    #expect(settings.count == 4)
    for setting in settings {
      let model = try setting.load()
      try setting.expect(by: model)
      var request = try setting.request()
      request.render.variationStrength /= 2
      let half = try setting.difference(request, by: model)
      #expect(half.mean > 0.5, "\(setting.file): \(half)")
    }
  }

  /// AUTOMATIC1111 counts on in seeds, but with a variation in variation seeds.
  @Test func furtherPicturesHaveFurtherSeeds() {
    var request = PictureRequest(prompt: "a", seed: 5)
    request.render.variationSeed = .max
    #expect(request.next(2).seed == 7 && request.next(2).render.variationSeed == .max)
    request.render.variationStrength = 0.1
    #expect(request.next(0) == request)
    #expect(request.next(2).seed == 5 && request.next(2).render.variationSeed == 1)
  }
}
