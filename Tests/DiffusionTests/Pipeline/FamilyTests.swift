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
  private let settings: [GoldenPicture]

  init() throws { settings = try GoldenPicture.list("families") }

  @Test(arguments: ["xl", "xl-turbo", "xl-distilled", "sd2", "no-middle", "lcm", "base"])
  func sameAsTheReference(_ name: String) throws {
    let own = settings.filter { $0.model == name }
    #expect(own.count >= 1)
    for setting in own { try setting.expect() }
  }

  /// The methods that the first goldens leave out are all there.
  @Test func everySchedulerIsHeldToAPicture() throws {
    let first: Set = ["ddpm", "ddim", "euler"]
    let here = Set(settings.filter { $0.model == "base" }.compactMap(\.scheduler))
    let latest = Set(SamplerPictureTests.settings.compactMap(\.scheduler))
    #expect(first.union(here).union(latest) == Set(SchedulerName.allCases.map(\.rawValue)))
  }

  /// Each thing that SDXL is told must show: what is forgotten would be far outside of the bound.
  @Test func sensitiveToWhatSDXLIsTold() throws {
    let setting = try #require(settings.first { $0.model == "xl" && $0.framing != nil })
    var cropless = try setting.request()
    cropless.render.crop = PixelPoint(x: 0, y: 0)
    #expect(try setting.difference(cropless).mean > 0.5)
    var swapped = try setting.request()
    swapped.render.originalSize = PixelSize(width: 96, height: 200)
    #expect(try setting.difference(swapped).mean > 0.5)
    let promptless = try #require(settings.first { $0.model == "xl" && $0.negativePrompt == nil })
    var empty = try promptless.request()
    empty.negativePrompt = ""
    #expect(try promptless.difference(empty).mean > 0.5)
  }

  /// A consistency model takes the guidance scale as an input, and only there.
  @Test func sensitiveToTheEmbeddedGuidance() throws {
    let setting = try #require(settings.first { $0.model == "lcm" })
    var request = try setting.request()
    request.guidance -= 1
    #expect(try setting.difference(request).mean > 0.2)
  }

  @Test func sensitiveToTheLoRAsWeight() throws {
    let setting = try #require(settings.first { $0.lora != nil })
    let parts = try Golden.ModelParts(setting.model)
    let lora = LoRAReference(path: Places.golden("families/lora.safetensors"), weight: 0.7)
    let model = try DiffusionModel(
      folder: ModelFolder(path: parts.path), cache: PartCache(), loras: [lora])
    #expect(try setting.difference(setting.request(), by: model).mean > 0.2)
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
