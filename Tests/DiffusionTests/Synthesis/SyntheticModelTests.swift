import Boundary
import Checkpoints
import Diffusion
import Testing

/// Models of real size hold what the networks ask for when they are built.
@Suite struct SyntheticModelTests {
  /// Names and shapes in their order, as SHA-256: the random numbers of a synthesized folder depend on them, and so
  /// do figures that were measured with one.
  private static let digests = [
    "sd15 unet": "af76159f4f2045b900597367a0524c1f05e6d60714c82e5e4873d12b4c9469c1",
    "segmoe-sd-4x2 unet": "c589c81b5bcee819f3293a74c9f1562c07fe8ac15ba6e1377132da1f1a0b2eac",
    "sdxl unet": "61553e9b4e339dbdf779678c159fa0543bad90456fab99724265ea134ea56b6b",
    "segmoe-sdxl-4x2 unet": "e3b21992e5c5cba33614c260eb593e622a6862c62c203dbd4af3a67a70050fdb",
    "vae": "6cc90c5bd6953ce898b126acfd02b7edb2fa1cdf2fa7207a211b339d5dcf10af",
    "text_encoder": "4ce3da91751f030f43d84593b55e8c61c388e5dcdb597e5fdb9a5372a6164b40",
    "text_encoder_2": "d4d904f610222750535497d329333818f5a73c89eefa2fc713780e5e5aeb7b0f",
  ]

  @Test(arguments: ModelPreset.allCases) func tensorsAreThoseOfBefore(preset: ModelPreset) throws {
    for component in try SyntheticModel(preset, type: .float16, seed: 0).components() {
      var digest = Digest()
      for tensor in component.tensors { digest.add(Array("\(tensor.name) \(tensor.shape)\n".utf8)) }
      let key = component.name == "unet" ? "\(preset.rawValue) unet" : component.name
      #expect(digest.hexadecimal() == Self.digests[key], "\(preset) \(component.name)")
    }
  }
}
