import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Images
import Requests
import Tensors
import TestSupport
import Testing
import WeightCache

/// Renders that start from a picture against diffusers' img2img and inpainting pipelines: mean difference at
/// most 0.05 levels, maximum 2 (Tests/Goldens/scripts/image_inputs.py).
@Suite struct SourcePictureTests {
  private let seal = SealingKey()

  static let settings = (try? GoldenPicture.list("images")) ?? []

  @Test func thereAreGoldens() { #expect(Self.settings.count == 26) }

  @Test(arguments: settings) func sameAsTheReference(_ setting: GoldenPicture) throws {
    try setting.expect()
  }

  /// A step more or less, or the picture without its mask, must show.
  @Test func sensitive() throws {
    let plain = try #require(Self.settings.first { !$0.isMasked && $0.strength ?? 1 < 0.7 })
    var longer = try plain.request()
    longer.render.strength = try #require(plain.strength) + 1 / Double(plain.steps)
    let more = try plain.difference(longer)
    #expect(more.mean > 0.3, "a step more: \(more)")
    let painted = try #require(Self.settings.first { $0.isMasked && $0.model == "base" })
    var request = try painted.request()
    let source = try #require(request.source)
    request.source = SourcePicture(image: source.image)
    let whole = try painted.difference(request)
    #expect(whole.mean > 0.3, "without its mask: \(whole)")
    print("planted: a step more \(more), without mask \(whole)")
  }

  @Test(arguments: [(20, 30), (64, 72), (53, 100), (160, 71), (7, 5), (72, 64), (48, 75)])
  func resizedToTheByte(width: Int, height: Int) throws {
    let picture = try PNGFile.read(Places.golden("images/picture.png")).image
    let golden = try PNGFile.read(Places.golden("images/resized-\(width)x\(height).png")).image
    #expect(try picture.resized(width: width, height: height) == golden)
  }

  @Test(arguments: ["base", "xl", "tiny"]) func encoders(name: String) throws {
    let golden = try Golden.tensors("images/encoded.safetensors")[name].channelsLast
    let folder = name == "base" ? "model/base" : name == "xl" ? "families/xl" : "vae/tiny"
    let files = try AutoencoderFiles(
      path: Places.golden(name == "tiny" ? folder : folder + "/vae"), own: nil, isXL: name == "xl")
    let cache = PartCache()
    let encoder = try #require(
      try Autoencoder(files.weights, files.config, home: PartHome(model: name, cache: cache)).encoder)
    let source = try SourcePicture(
      imageFile: Places.golden("images/picture.png"), maskFile: nil, width: 64, height: 72)
    let found = try encoder(
      source.pixels(width: 64, height: 72), ForwardPass(compute: Compute(threads: 2)))
    let error = relativeError(found, golden)
    #expect(error < 1e-4, "relative error \(error)")
    print("encoder \(name): relative error \(error)")
  }

  /// What cannot be is refused with the reason.
  @Test func refusals() throws {
    let painter = try #require(Self.settings.first { $0.model == "painter" })
    let renderer = Renderer(model: try painter.load(), pass: ForwardPass(compute: Compute(threads: 1)))
    var request = try painter.request()
    let source = try #require(request.source)
    request.source = nil
    #expect(throws: RequestError.self) { try renderer.begin(request) }
    request.source = SourcePicture(image: source.image)
    #expect(throws: RequestError.self) { try renderer.begin(request) }
    request.source = source
    // The last is too little for one step.
    for strength in [0, -1, 1.1, .nan, 0.01] {
      request.render.strength = strength
      #expect(throws: RequestError.self) { try renderer.begin(request) }
    }
  }

  /// A render taken up in the middle goes on as if nothing had been, and not with another picture.
  @Test(arguments: ["13-inpaint-base-ddim.png", "06-img2img-base-euler_a.png", "18-inpaint-painter-ddim.png"])
  func resumed(file: String) throws {
    let setting = try #require(Self.settings.first { $0.file == file })
    let request = try setting.request()
    let renderer = Renderer(model: try setting.load(), pass: ForwardPass(compute: Compute(threads: 2)))
    let undisturbed = try renderer.render(request)
    var first = try renderer.begin(request)
    _ = try renderer.advance(&first)
    let kept = renderer.resumeState(first, of: request, seal: seal)
    var second = try renderer.begin(request)
    #expect(try renderer.restore(&second, from: kept, of: request, seal: seal) && second.step == 1)
    while try renderer.advance(&second) {}
    #expect(try renderer.decode(second) == undisturbed)
    var other = request
    other.source = SourcePicture(
      image: try RGBImage(width: 8, height: 8, red: 1, green: 2, blue: 3), mask: request.source?.mask)
    var third = try renderer.begin(other)
    #expect(try !renderer.restore(&third, from: kept, of: other, seal: seal))
  }
}
