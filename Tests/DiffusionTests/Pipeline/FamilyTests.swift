import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Requests
import Tensors
import TestSupport
import Testing
import WeightCache

/// SDXL, distilled SDXL, Stable Diffusion 2, consistency models, a UNet without a middle, every scheduler
/// and a LoRA: whole renders against genuine diffusers, mean difference at most 0.05 levels, maximum 2.
@Suite struct FamilyTests {
  struct Setting: Decodable {
    struct Framing: Decodable {
      let originalSize: [Int]
      let cropsCoordsTopLeft: [Int]
      let targetSize: [Int]
    }
    let file: String
    let model: String
    let prompt: String
    let negativePrompt: String?
    let width: Int
    let height: Int
    let steps: Int
    let guidance: Double
    let scheduler: String?
    let seed: String
    let framing: Framing?
    let lora: Float?
    let guidanceRescale: Double?

    func request() throws -> PictureRequest {
      var request = PictureRequest(
        prompt: prompt, negativePrompt: negativePrompt, width: width, height: height, steps: steps,
        guidance: guidance, scheduler: try scheduler.map { try #require(SchedulerName(rawValue: $0)) },
        seed: try #require(UInt64(seed)))
      request.render.guidanceRescale = guidanceRescale ?? 0
      if let framing {
        // diffusers writes height before width, and the top before the left.
        request.render.originalSize = PixelSize(
          width: framing.originalSize[1], height: framing.originalSize[0])
        request.render.crop = PixelPoint(x: framing.cropsCoordsTopLeft[1], y: framing.cropsCoordsTopLeft[0])
        request.render.targetSize = PixelSize(width: framing.targetSize[1], height: framing.targetSize[0])
      }
      return request
    }
  }

  private let settings: [Setting]

  init() throws { settings = try Golden.decode("families/renders.json") }

  private func model(_ setting: Setting) throws -> DiffusionModel {
    let parts = try Golden.ModelParts(setting.model)
    let lora = setting.lora.map {
      LoRAReference(path: Places.golden("families/lora.safetensors"), weight: Double($0))
    }
    return try DiffusionModel(
      folder: ModelFolder(path: parts.path), cache: PartCache(), loras: lora.map { [$0] } ?? [])
  }

  private func difference(_ setting: Setting, _ request: PictureRequest) throws -> (mean: Double, max: Int) {
    let renderer = Renderer(model: try model(setting), pass: ForwardPass(compute: Compute(threads: 2)))
    return try PictureTests.difference(renderer.render(request), from: "../families/" + setting.file)
  }

  @Test(arguments: ["xl", "xl-turbo", "xl-distilled", "sd2", "no-middle", "lcm", "base"])
  func sameAsTheReference(_ name: String) throws {
    let own = settings.filter { $0.model == name }
    #expect(own.count >= 1)
    for setting in own {
      let difference = try difference(setting, setting.request())
      #expect(difference.mean <= 0.05 && difference.max <= 2, "\(setting.file): \(difference)")
      print("golden \(setting.file): mean \(difference.mean) max \(difference.max) levels")
    }
  }

  /// The methods that the first goldens leave out are all there.
  @Test func everySchedulerIsHeldToAPicture() throws {
    let first: Set = ["ddpm", "ddim", "euler"]
    let here = Set(settings.filter { $0.model == "base" }.compactMap(\.scheduler))
    let latest = Set(SamplerPictureTests.settings.map(\.scheduler))
    #expect(first.union(here).union(latest) == Set(SchedulerName.allCases.map(\.rawValue)))
  }

  /// Each thing that SDXL is told must show: what is forgotten would be far outside of the bound.
  @Test func sensitiveToWhatSDXLIsTold() throws {
    let setting = try #require(settings.first { $0.model == "xl" && $0.framing != nil })
    var cropless = try setting.request()
    cropless.render.crop = PixelPoint(x: 0, y: 0)
    #expect(try difference(setting, cropless).mean > 0.5)
    var swapped = try setting.request()
    swapped.render.originalSize = PixelSize(width: 96, height: 200)
    #expect(try difference(setting, swapped).mean > 0.5)
    let promptless = try #require(settings.first { $0.model == "xl" && $0.negativePrompt == nil })
    var empty = try promptless.request()
    empty.negativePrompt = ""
    #expect(try difference(promptless, empty).mean > 0.5)
  }

  /// A consistency model takes the guidance scale as an input, and only there.
  @Test func sensitiveToTheEmbeddedGuidance() throws {
    let setting = try #require(settings.first { $0.model == "lcm" })
    var request = try setting.request()
    request.guidance -= 1
    #expect(try difference(setting, request).mean > 0.2)
  }

  @Test func sensitiveToTheLoRAsWeight() throws {
    let setting = try #require(settings.first { $0.lora != nil })
    let parts = try Golden.ModelParts(setting.model)
    let lora = LoRAReference(path: Places.golden("families/lora.safetensors"), weight: 0.7)
    let model = try DiffusionModel(
      folder: ModelFolder(path: parts.path), cache: PartCache(), loras: [lora])
    let renderer = Renderer(model: model, pass: ForwardPass(compute: Compute(threads: 2)))
    let image = try renderer.render(setting.request())
    #expect(try PictureTests.difference(image, from: "../families/" + setting.file).mean > 0.2)
  }

  /// A mixture of depths that diffusers refuses is refused here too, by the key's name.
  @Test func refusesDepthsThatDoNotFit() throws {
    let path = Places.golden("families/xl-distilled/unet/config.json")
    var values = try ConfigObject(contentsOf: path).values
    values["reverse_transformer_layers_per_block"] = .null
    #expect(throws: CheckpointError.self) {
      try UNetConfiguration(ConfigObject(path: path, values: values))
    }
    values = try ConfigObject(contentsOf: path).values
    values["transformer_layers_per_block"] = .array([.integer(1), .array([.integer(1)]), .integer(1)])
    #expect(throws: CheckpointError.self) {
      try UNetConfiguration(ConfigObject(path: path, values: values))
    }
  }
}
