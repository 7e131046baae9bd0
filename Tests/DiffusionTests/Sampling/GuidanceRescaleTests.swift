import Diffusion
import Foundation
import GoldenModels
import Requests
import Tensors
import Testing
import WeightCache

/// `guidance_rescale` against genuine diffusers: mean difference at most 0.05 levels, maximum 2.
@Suite struct GuidanceRescaleTests {
  @Test func sameAsTheReference() throws {
    let settings = try GoldenPicture.list("rescale")
    #expect(settings.count == 4)
    for setting in settings {
      let model = try setting.load()
      try setting.expect(by: model)
      // A build that forgets the setting, or takes half of it, is far outside of the bound.
      var request = try setting.request()
      request.render.guidanceRescale /= 2
      let half = try setting.difference(request, by: model)
      #expect(half.mean > 0.5, "\(setting.file): \(half)")
    }
  }

  /// Equal rows stay what they are, even if they have no spread to divide by.
  @Test func takesRowsWithoutSpread() {
    var request = RenderRequest()
    request.guidanceRescale = 1
    let flat = Tensor(shape: [1, 1, 1, 4], values: [2, 2, 2, 2])
    let joined = Guidance(request).joined(unconditional: flat, conditional: flat)
    #expect(joined.values == [2, 2, 2, 2])
  }
}
