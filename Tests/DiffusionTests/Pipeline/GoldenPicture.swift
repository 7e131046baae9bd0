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

/// A picture that the reference rendered, and what it was asked for: an entry of a list (`renders.json`). Each list says
/// only what its pictures need.
struct GoldenPicture: Decodable, CustomStringConvertible {
  /// What SDXL is told of the picture.
  struct Framing: Decodable {
    let originalSize: [Int]
    let cropsCoordsTopLeft: [Int]
    let targetSize: [Int]
  }

  /// The folder of the picture, below the goldens.
  private var folder = ""
  let file: String
  let model: String
  let prompt: String
  let negativePrompt: String?
  let width: Int
  let height: Int
  let steps: Int
  let guidance: Double
  let guidanceFrom: Double?
  let guidanceUntil: Double?
  let guidanceRescale: Double?
  let deepCache: String?
  let tokenMerging: String?
  let scheduler: String?
  let seed: String
  let variationSeed: String?
  let variationStrength: Double?
  let framing: Framing?
  /// The weight of the golden LoRA.
  let lora: Float?
  /// With this it starts from the golden picture.
  let strength: Double?
  private let masked: Bool?
  /// The schedule.
  let settings: AskedSchedule?

  /// All but the folder, which no list says.
  private enum CodingKeys: String, CodingKey {
    case file, model, prompt, negativePrompt, width, height, steps, guidance, guidanceFrom, guidanceUntil
    case guidanceRescale, deepCache, tokenMerging, scheduler, seed, variationSeed, variationStrength, framing
    case lora, strength, masked, settings
  }

  var description: String { file }

  /// Whether only a part of the picture that it starts from is painted anew.
  var isMasked: Bool { masked ?? false }

  /// The pictures of a list.
  /// - Parameters:
  ///   - folder: the list's, below the goldens.
  ///   - pictures: the pictures'; nil: beside the list.
  static func list(_ folder: String, pictures: String? = nil) throws -> [GoldenPicture] {
    let list: [GoldenPicture] = try Golden.decode("\(folder)/renders.json")
    return list.map { entry in
      var entry = entry
      entry.folder = pictures ?? folder
      return entry
    }
  }

  /// A picture of a list by its file.
  static func named(_ file: String, in folder: String) throws -> GoldenPicture {
    try #require(try list(folder).first { $0.file == file }, "\(folder)/\(file)")
  }

  /// The same request of the engine.
  func request() throws -> PictureRequest {
    var request = PictureRequest(
      prompt: prompt, negativePrompt: negativePrompt, width: width, height: height, steps: steps,
      guidance: guidance, scheduler: try scheduler.map { try #require(SchedulerName(rawValue: $0)) },
      seed: try #require(UInt64(seed)))
    request.render.guidanceRescale = guidanceRescale ?? 0
    request.render.guidanceFrom = guidanceFrom ?? 0
    request.render.guidanceUntil = guidanceUntil ?? 1
    request.render.deepCache = try deepCache.map { try #require(DeepCache(text: $0)) }
    request.render.tokenMerging = try tokenMerging.map { try #require(TokenMerging(text: $0)) }
    request.render.variationSeed = try variationSeed.map { try #require(UInt64($0)) } ?? 0
    request.render.variationStrength = variationStrength ?? 0
    if let framing {
      // diffusers writes height before width, and the top before the left.
      request.render.originalSize = PixelSize(width: framing.originalSize[1], height: framing.originalSize[0])
      request.render.crop = PixelPoint(x: framing.cropsCoordsTopLeft[1], y: framing.cropsCoordsTopLeft[0])
      request.render.targetSize = PixelSize(width: framing.targetSize[1], height: framing.targetSize[0])
    }
    if let strength {
      request.source = try SourcePicture(
        imageFile: Places.golden("images/picture.png"),
        maskFile: isMasked ? Places.golden("images/mask.png") : nil, width: width, height: height)
      request.render.strength = strength
    }
    settings?.ask(&request.render)
    return request
  }

  /// Opens its model. `tiny` is the base with TAESD.
  func load() throws -> DiffusionModel {
    let parts = try Golden.ModelParts(model == "tiny" ? "base" : model)
    defer { withExtendedLifetime(parts) {} }
    let loras = lora.map {
      [LoRAReference(path: Places.golden("families/lora.safetensors"), weight: Double($0))]
    }
    return try DiffusionModel(
      folder: ModelFolder(path: parts.path), vae: model == "tiny" ? Places.golden("vae/tiny") : nil,
      cache: PartCache(), loras: loras ?? [])
  }

  /// How far it is from what a model makes of a request, in levels.
  /// - Parameters:
  ///   - request: what the model is asked for.
  ///   - model: nil: its own.
  func difference(_ request: PictureRequest, by model: DiffusionModel? = nil) throws
    -> (mean: Double, max: Int)
  {
    let renderer = Renderer(model: try model ?? load(), pass: ForwardPass(compute: Compute(threads: 2)))
    return try difference(of: renderer.render(request))
  }

  /// How far another picture is from it, in levels.
  func difference(of image: RGBImage) throws -> (mean: Double, max: Int) {
    let golden = try PNGFile.read(Places.golden("\(folder)/\(file)")).image
    guard golden.width == image.width, golden.height == image.height else { return (.infinity, 255) }
    let levels = zip(image.pixels, golden.pixels).map { abs(Int($0) - Int($1)) }
    return (Double(levels.reduce(0, +)) / Double(levels.count), levels.max() ?? 0)
  }

  /// Expects that a model makes it of its request: mean difference at most 0.05 levels, maximum 2.
  /// - Parameters:
  ///   - model: nil: its own.
  ///   - note: what is special about the model.
  func expect(by model: DiffusionModel? = nil, _ note: String = "") throws {
    let found = try difference(request(), by: model)
    #expect(found.mean <= 0.05 && found.max <= 2, "\(note) \(file): \(found)")
    print("golden \(note.isEmpty ? "" : note + " ")\(file): mean \(found.mean) max \(found.max) levels")
  }
}
