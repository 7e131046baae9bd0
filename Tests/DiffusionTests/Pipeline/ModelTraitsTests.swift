import Diffusion
import GoldenModels
import Requests
import Testing
import WeightCache

/// What a loaded model says of itself decides which settings are said to have no effect.
@Suite struct ModelTraitsTests {
  @Test(arguments: [
    ("base", ModelTraits(isXL: false, takesGuidance: false, attentionShrinks: 1)),
    ("wide", ModelTraits(isXL: false, takesGuidance: false, attentionShrinks: 2)),
    ("xl", ModelTraits(isXL: true, takesGuidance: false, attentionShrinks: 2)),
    ("lcm", ModelTraits(isXL: false, takesGuidance: true, attentionShrinks: 1)),
  ])
  func areThoseOfItsNetworks(name: String, traits: ModelTraits) throws {
    #expect(try Golden.ModelParts(name).load(cache: PartCache(), precision: .f32).traits == traits)
  }
}
