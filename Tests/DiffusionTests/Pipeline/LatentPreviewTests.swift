import Diffusion
import GoldenModels
import Images
import Requests
import Tensors
import TestSupport
import Testing
import WeightCache

/// Small pictures made of latents.
@Suite struct LatentPreviewTests {
  /// A family, and what ComfyUI publishes of it: what each channel adds to red, green and blue, and the rest.
  struct Look: CustomStringConvertible {
    let description: String
    let preview: LatentPreview
    let red: [Double]
    let green: [Double]
    let blue: [Double]
    let rest: [Double]

    /// A pixel in levels that are not rounded.
    func pixel(_ latent: [Float]) -> [Double] {
      zip([red, green, blue], rest).map { weights, rest in
        let sum = zip(weights, latent).reduce(rest) { $0 + $1.0 * Double($1.1) }
        return max(0, min(255, (sum + 1) * 127.5))
      }
    }
  }

  static let looks = [
    Look(
      description: "sd", preview: LatentPreview(.sd), red: [0.3512, 0.3250, -0.2829, -0.2120],
      green: [0.2297, 0.4974, 0.1762, -0.2616], blue: [0.3227, 0.2350, 0.2721, -0.7177], rest: [0, 0, 0]),
    Look(
      description: "sdxl", preview: LatentPreview(.xl), red: [0.3651, -0.2533, 0.1076, -0.3165],
      green: [0.4232, -0.0042, 0.1111, -0.2492], blue: [0.4341, 0.1068, -0.0362, -0.2188],
      rest: [0.1084, -0.0175, -0.0011]),
    Look(
      description: "playground", preview: LatentPreview(.xl, isNormalized: true),
      red: [0.3920, -0.2634, 0.0568, -0.3112], green: [0.4054, -0.0196, 0.1687, -0.2359],
      blue: [0.4549, 0.0653, -0.0755, -0.2076], rest: [0, 0, 0]),
  ]

  private func latents(height: Int, width: Int) -> Tensor {
    var noise = TorchNoise(seed: 3)
    return noise.latents(channels: 4, height: height, width: width)
  }

  /// The largest difference of a preview from the sums in double, in levels.
  private func difference(_ picture: RGBImage, _ latents: Tensor, _ look: Look) -> Double {
    let values = latents.values
    return (0..<picture.width * picture.height).map { place in
      let wanted = look.pixel(Array(values[place * 4..<place * 4 + 4]))
      return (0..<3).map { abs(Double(picture.pixels[place * 3 + $0]) - wanted[$0]) }.max() ?? .infinity
    }.max() ?? .infinity
  }

  /// Rounded to the nearest level. Two channels or two colours in each other's place are far away.
  @Test(arguments: looks) func aWeightedSumOfChannels(look: Look) throws {
    let latents = latents(height: 9, width: 7)
    let picture = try look.preview(latents)
    #expect(picture.width == 7 && picture.height == 9)
    #expect(difference(picture, latents, look) < 0.501)
    for one in 0..<4 {
      for other in 0..<one {
        var swapped = latents
        swapped.withUnsafeMutable { values in
          for place in 0..<63 { values.swapAt(place * 4 + one, place * 4 + other) }
        }
        #expect(difference(try look.preview(swapped), latents, look) > 20, "channels \(one) and \(other)")
      }
    }
    var colours = picture.pixels
    for place in 0..<63 { colours.swapAt(place * 3, place * 3 + 2) }
    let swapped = try RGBImage(width: 7, height: 9, pixels: colours)
    #expect(difference(swapped, latents, look) > 20, "red and blue")
  }

  /// Numbers that a broken model makes.
  @Test func whateverTheLatentsAre() throws {
    let broken: [Float] = [.nan, .infinity, -.infinity, 1e30]
    let latents = Tensor(
      shape: [1, 1, 5, 4],
      values: broken.flatMap { [$0, 0, 0, 0] } + [1e30, -1e30, .infinity, -.infinity])
    let pixels = try LatentPreview(.sd)(latents).pixels
    #expect(Array(pixels[..<12]) == [0, 0, 0, 255, 255, 255, 0, 0, 0, 255, 255, 255])
  }

  /// Of a picture above 4096 pixels it has no more than 512 on a side, so that it fits into a row.
  @Test(arguments: [(600, 40, 512, 34), (40, 1024, 20, 512), (1, 2000, 1, 512), (512, 3, 512, 3)])
  func largeLatentsAreMadeSmaller(width: Int, height: Int, newWidth: Int, newHeight: Int) throws {
    let picture = try LatentPreview(.sd)(latents(height: height, width: width))
    #expect(picture.width == newWidth && picture.height == newHeight)
  }

  @Test(arguments: [[1, 8, 8, 16], [2, 8, 8, 4], [8, 8, 4]])
  func latentsOfAnotherShapeAreRefused(shape: [Int]) {
    #expect(throws: ImageError.self) { try LatentPreview(.sd)(Tensor(shape: shape)) }
  }

  private func renderer() throws -> Renderer {
    Renderer(model: try Golden.ModelParts("base").load(), pass: ForwardPass(compute: Compute(threads: 2)))
  }

  /// It shows what the render will be and not how far it is: after the last step of these methods both are the same.
  /// Whoever looks changes nothing.
  @Test(arguments: [SchedulerName.euler, .lcm, .heun, .kdpm2])
  func theLastIsThePicture(scheduler: SchedulerName) throws {
    let renderer = try renderer()
    let request = PictureRequest(
      prompt: "a red fox", width: 64, height: 80, steps: 5, guidance: 3, scheduler: scheduler, seed: 7)
    var (looked, undisturbed) = (try renderer.begin(request), try renderer.begin(request))
    #expect(try renderer.preview(of: looked) == nil)
    var previews: [RGBImage] = []
    while try renderer.advance(&looked) {
      previews.append(try #require(try renderer.preview(of: looked)))
    }
    while try renderer.advance(&undisturbed) {}
    #expect(looked.latents.values == undisturbed.latents.values)
    #expect(previews.count == looked.steps && previews.allSatisfy { $0.width == 8 && $0.height == 10 })
    let last = try #require(previews.last)
    let picture = try LatentPreview(.sd)(looked.latents)
    #expect(zip(last.pixels, picture.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
    #expect(previews[0] != last)
  }

  /// What the mask leaves as it is shows from the first step on.
  @Test func whatIsNotPaintedAnewStays() throws {
    let setting = try #require(
      try GoldenPicture.list("images").first { $0.isMasked && $0.model == "base" && $0.strength ?? 1 < 1 })
    let renderer = Renderer(model: try setting.load(), pass: ForwardPass(compute: Compute(threads: 2)))
    var denoising = try renderer.begin(setting.request())
    _ = try renderer.advance(&denoising)
    let first = try #require(try renderer.preview(of: denoising))
    while try renderer.advance(&denoising) {}
    let last = try LatentPreview(.sd)(denoising.latents)
    let same = zip(first.pixels, last.pixels).count { $0 == $1 }
    #expect(same > first.pixels.count / 8 && same < first.pixels.count, "\(same) of \(first.pixels.count)")
  }
}
