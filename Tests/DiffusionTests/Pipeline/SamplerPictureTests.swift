import Diffusion
import Foundation
import Requests
import Tensors
import GoldenModels
import TestSupport
import Testing
import WeightCache

/// Whole pictures by the methods that came last, and by schedules that a request asks for, against genuine diffusers,
/// from noise and from a picture: mean difference at most 0.05 levels, maximum 2 (`samplers.py`).
@Suite struct SamplerPictureTests {
  struct Setting: Decodable, CustomStringConvertible {
    let file: String
    let model: String
    let prompt: String
    let negativePrompt: String?
    let width: Int
    let height: Int
    let steps: Int
    let guidance: Double
    let scheduler: String
    let seed: String
    let settings: AskedSchedule
    let strength: Double?
    let masked: Bool

    var description: String { file }

    func request() throws -> PictureRequest {
      var request = PictureRequest(
        prompt: prompt, negativePrompt: negativePrompt, width: width, height: height, steps: steps,
        guidance: guidance, scheduler: SchedulerName(rawValue: scheduler),
        seed: try #require(UInt64(seed)))
      if let strength {
        request.source = try SourcePicture(
          imageFile: Places.golden("images/picture.png"),
          maskFile: masked ? Places.golden("images/mask.png") : nil, width: width, height: height)
        request.render.strength = strength
      }
      settings.ask(&request.render)
      return request
    }

    func difference(_ request: PictureRequest) throws -> (mean: Double, max: Int) {
      let model = try Golden.ModelParts(model).load()
      let renderer = Renderer(model: model, pass: ForwardPass(compute: Compute(threads: 2)))
      return try PictureTests.difference(renderer.render(request), from: "../samplers/" + file)
    }
  }

  static let settings: [Setting] = (try? Golden.decode("samplers/renders.json")) ?? []

  @Test func everyMethodHasAPicture() {
    #expect(Self.settings.count >= 30)
    #expect(Set(Self.settings.map(\.scheduler)).count > 12)
  }

  @Test(arguments: settings) func sameAsTheReference(_ setting: Setting) throws {
    let difference = try setting.difference(setting.request())
    #expect(difference.mean <= 0.05 && difference.max <= 2, "\(difference)")
    print("\(setting.file): mean \(difference.mean) max \(difference.max) levels")
  }

  /// Another seed of the motion, or another method, must show.
  @Test func sensitive() throws {
    let setting = try #require(Self.settings.first { $0.scheduler == "dpmpp_sde" })
    var other = try setting.request()
    other.scheduler = .kdpm2Ancestral
    #expect(try setting.difference(other).mean > 0.5)
    let stepped = try #require(Self.settings.first { $0.scheduler == "sa_solver" && $0.strength == nil })
    other = try stepped.request()
    other.scheduler = .dpmpp2MSDE
    #expect(try stepped.difference(other).mean > 0.5)
  }
}
