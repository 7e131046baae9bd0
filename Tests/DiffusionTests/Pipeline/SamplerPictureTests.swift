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
  static let settings = (try? GoldenPicture.list("samplers")) ?? []

  @Test func everyMethodHasAPicture() {
    #expect(Self.settings.count >= 30)
    #expect(Set(Self.settings.compactMap(\.scheduler)).count > 12)
  }

  @Test(arguments: settings) func sameAsTheReference(_ setting: GoldenPicture) throws {
    try setting.expect()
  }

  /// Another seed of the motion, which is in a scheduler's file, or another method, must show.
  @Test func sensitive() throws {
    let setting = try #require(Self.settings.first { $0.scheduler == "dpmpp_sde" })
    #expect(try setting.difference(setting.request(), by: Self.model(setting.model, motion: 8)).mean > 0.5)
    var other = try setting.request()
    other.scheduler = .kdpm2Ancestral
    #expect(try setting.difference(other).mean > 0.5)
    let stepped = try #require(Self.settings.first { $0.scheduler == "sa_solver" && $0.strength == nil })
    other = try stepped.request()
    other.scheduler = .dpmpp2MSDE
    #expect(try stepped.difference(other).mean > 0.5)
  }

  /// A golden model whose scheduler's file gives the motion a seed.
  private static func model(_ name: String, motion seed: Int) throws -> DiffusionModel {
    let parts = try Golden.ModelParts(name)
    defer { withExtendedLifetime(parts) {} }
    let folder = parts.path + "/scheduler"
    let text = try String(contentsOfFile: folder + "/scheduler_config.json", encoding: .utf8)
    // It is a link to the golden.
    try FileManager.default.removeItem(atPath: folder)
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try text.replacing("{", with: "{\"noise_sampler_seed\": \(seed),", maxReplacements: 1)
      .write(toFile: folder + "/scheduler_config.json", atomically: true, encoding: .utf8)
    return try parts.load()
  }
}
