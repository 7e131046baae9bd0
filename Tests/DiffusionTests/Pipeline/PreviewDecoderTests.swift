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

/// Previews that a tiny autoencoder decodes of latents which were made smaller first.
@Suite struct PreviewDecoderTests {
  private let compute = Compute(threads: 2)

  private func files(_ path: String = Places.golden("vae/tiny")) throws -> AutoencoderFiles {
    try AutoencoderFiles(path: path, own: nil, isXL: false)
  }

  /// Mean and largest difference from the pixels that diffusers' `AutoencoderTiny` makes, in levels.
  private func difference(_ picture: RGBImage, _ golden: Golden.TensorFile) throws -> (
    mean: Double, max: Double
  ) {
    let pixels = try golden["pixels"].channelsLast
    guard pixels.shape == [1, picture.height, picture.width, 3] else { return (.infinity, .infinity) }
    let levels = zip(picture.pixels, pixels.values).map { level, pixel in
      abs(Double(level) - max(0, min(255, (Double(pixel) + 1) * 127.5)))
    }
    return (levels.reduce(0, +) / Double(levels.count), levels.max() ?? .infinity)
  }

  /// Rounded to the nearest level, of averages as torch's `adaptive_avg_pool2d` has them. Single latents in place of
  /// averages, and sides in each other's place, are far away.
  @Test func sameAsTheReference() throws {
    let golden = try Golden.tensors("vae/preview.safetensors")
    let decoder = try PreviewDecoder(files(), cache: PartCache())
    let latents = try golden["latents"].channelsLast
    let picture = try decoder(latents, compute)
    #expect(picture.width == 24 && picture.height == 128)
    let found = try difference(picture, golden)
    #expect(found.max < 0.51, "\(found)")
    // What is small enough is decoded as it is.
    let small = try difference(decoder(golden["pooled"].channelsLast, compute), golden)
    #expect(small.max < 0.51, "\(small)")
    let values = latents.values
    let single = Tensor(
      shape: [1, 16, 3, 4],
      values: (0..<48).flatMap { place in
        let start = (place / 3 * 37 / 16 * 8 + place % 3 * 8 / 3) * 4
        return values[start..<start + 4]
      })
    let planted = try difference(decoder(single, compute), golden)
    #expect(planted.mean > 5, "\(planted)")
    let turned = try decoder(latents.reshaped([1, 8, 37, 4]), compute)
    #expect(turned.width == 128 && turned.height == 24)
  }

  /// The proportion is kept in whole numbers, and no side is ever zero.
  @Test(arguments: [
    (64, 64, 128, 128), (9, 16, 72, 128), (128, 96, 128, 96), (1, 2000, 8, 128), (40, 600, 8, 128),
    (17, 5, 128, 32),
  ])
  func noSideIsLongerThan128(height: Int, width: Int, pixelsHigh: Int, pixelsWide: Int) throws {
    var noise = TorchNoise(seed: 1)
    let decoder = try PreviewDecoder(files(), cache: PartCache())
    let picture = try decoder(noise.latents(channels: 4, height: height, width: width), compute)
    #expect(picture.height == pixelsHigh && picture.width == pixelsWide)
  }

  @Test func latentsThatAreNoNumbersAreAnError() throws {
    let decoder = try PreviewDecoder(files(), cache: PartCache())
    #expect(throws: DiffusionError.self) {
      try decoder(Tensor(shape: [1, 4, 4, 4], repeating: .nan), compute)
    }
  }

  /// A full VAE is refused by name, and so is one for other latents.
  @Test func onlyATinyOneThatFitsDecodes() throws {
    let parts = try Golden.ModelParts("base")
    let error = #expect(throws: DiffusionError.self) {
      try PreviewDecoder(files(parts.path + "/vae"), cache: PartCache())
    }
    #expect(error.map { "\($0)".contains("no TAESD") } == true)
    #expect(PreviewDecoder(ownOf: try parts.load()) == nil)
    let demo = try DiffusionModel(
      folder: ModelFolder(path: Places.inRepository("demo/base")), cache: PartCache())
    let renderer = Renderer(
      model: demo, pass: ForwardPass(compute: compute),
      previews: try PreviewDecoder(files(), cache: demo.cache))
    let size = 8 * demo.decoder.pixelsPerLatent
    var denoising = try renderer.begin(
      PictureRequest(prompt: "red heart", width: size, height: size, steps: 2))
    _ = try renderer.advance(&denoising)
    #expect(denoising.plan.previewOperations == nil)
    #expect(try renderer.decodedPreview(of: denoising) == nil)
  }

  /// The latents of a render whose previews are decoded at every step, the previews, and the picture.
  private func render(
    _ model: DiffusionModel, _ previews: PreviewDecoder?, budget: Int? = nil
  ) throws -> (latents: [Float], previews: [RGBImage], picture: RGBImage) {
    let governor = MemoryGovernor(budget: budget.map { MemoryBudget(bytes: $0) }, cache: model.cache)
    let renderer = Renderer(
      model: model, pass: ForwardPass(compute: compute), governor: governor, previews: previews)
    var denoising = try renderer.begin(
      PictureRequest(
        prompt: "a red fox", width: 128, height: 160, steps: 4, guidance: 3, scheduler: .euler, seed: 7))
    #expect(try renderer.decodedPreview(of: denoising) == nil)
    var made: [RGBImage] = []
    while try renderer.advance(&denoising) {
      if let preview = try renderer.decodedPreview(of: denoising) { made.append(preview) }
    }
    return (denoising.latents.values, made, try renderer.decode(denoising))
  }

  /// It shows what the render will be: after the last step of this method both are the same. Whoever looks changes
  /// nothing, be the autoencoder the model's own or another, with a budget and without.
  @Test(arguments: [true, false]) func theLastIsThePictureAndNothingIsChanged(isOwn: Bool) throws {
    func model() throws -> DiffusionModel {
      let parts = try Golden.ModelParts("base")
      return try DiffusionModel(
        folder: ModelFolder(path: parts.path), vae: isOwn ? Places.golden("vae/tiny") : nil,
        cache: PartCache())
    }
    let plain = try render(model(), nil)
    let looked = try model()
    let decoder =
      isOwn
      ? try #require(PreviewDecoder(ownOf: looked)) : try PreviewDecoder(files(), cache: looked.cache)
    let seen = try render(looked, decoder)
    #expect(plain.previews.isEmpty && seen.previews.count == 4)
    #expect(plain.latents == seen.latents && plain.picture == seen.picture)
    #expect(
      seen.previews.allSatisfy { $0.width == 96 && $0.height == 128 } && seen.previews[0] != seen.previews[3])
    let last = try decoder(Tensor(shape: [1, 20, 16, 4], values: plain.latents), compute)
    #expect(zip(last.pixels, seen.previews[3].pixels).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
    // One beside the model is a part like any other: it is in the cache, and leaves it.
    #expect(looked.cache.keys.contains { "\($0)".contains("/previews:") } == !isOwn)
    let budgeted = try model()
    let tight = try render(
      budgeted, isOwn ? PreviewDecoder(ownOf: budgeted) : PreviewDecoder(files(), cache: budgeted.cache),
      budget: 64 << 30)
    #expect(tight.previews == seen.previews && tight.picture == plain.picture)
  }

  /// No picture needs a larger budget because of previews, and none is decoded in memory that the render does not have.
  @Test func previewsTakeNoMemoryThatARenderDoesNotHave() throws {
    let model = try Golden.ModelParts("base").load()
    func plan(_ previews: PreviewDecoder?) throws -> RenderPlan {
      try Renderer(model: model, pass: ForwardPass(compute: compute), previews: previews)
        .plan(PictureRequest(prompt: "a", width: 64, height: 64, steps: 2))
    }
    let decoder = try PreviewDecoder(files(), cache: model.cache)
    let (without, with) = (try plan(nil), try plan(decoder))
    #expect(without.smallest == with.smallest)
    #expect(without.tile == with.tile && without.previewOperations == nil)
    // 8×8 latents; a 3×3 convolution multiplies and adds 9 times for each pair of channels at each position.
    let blocks = zip([2, 1, 3, 1], [64, 256, 1024, 4096]).reduce(0) { $0 + 3 * $1.0 * $1.1 }
    let pairs = 4 * 12 * 64 + 12 * 12 * (blocks + 256 + 1024 + 4096) + 12 * 3 * 4096
    #expect(with.previewOperations == 18 * pairs)
  }

  /// Weights that are gone when the first preview wants them: an error of the preview, and the picture as ever.
  @Test func aDamagedFileHarmsNoRender() throws {
    let folder = try TemporaryFolder()
    let path = try folder.copy(
      Places.golden("vae/tiny/diffusion_pytorch_model.safetensors"), to: "taesd.safetensors")
    let model = try Golden.ModelParts("base").load()
    let renderer = Renderer(
      model: model, pass: ForwardPass(compute: compute),
      previews: try PreviewDecoder(files(path), cache: model.cache))
    let request = PictureRequest(prompt: "a cat", width: 64, height: 64, steps: 3, seed: 5)
    let wanted = try renderer.render(request)
    var denoising = try renderer.begin(request)
    _ = try renderer.advance(&denoising)
    let handle = try #require(FileHandle(forWritingAtPath: path))
    try handle.truncate(atOffset: try handle.seekToEnd() / 2)
    try handle.close()
    let error = #expect(throws: CheckpointError.self) { try renderer.decodedPreview(of: denoising) }
    #expect(error.map { "\($0)".contains(path) } == true)
    #expect(try renderer.preview(of: denoising) != nil)
    while try renderer.advance(&denoising) {}
    #expect(try renderer.decode(denoising) == wanted)
  }
}
