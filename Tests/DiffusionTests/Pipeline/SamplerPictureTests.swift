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
