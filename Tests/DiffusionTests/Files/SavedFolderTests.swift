import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Tensors
import TestSupport
import Testing
import WeightCache

/// Whatever diffusers 0.6 to 0.42, with transformers 4.19 to 5, write for a class that is supported here is read
/// (`Goldens/scripts/saved_by_versions.py` has it all).
@Suite struct SavedFolderTests {
  private static let versions = ["0.6.0", "0.14.0", "0.21.4", "0.30.3", "0.36.0", "0.42.1"]
  private static let models = [
    "base", "wide", "sd2", "painter", "no-middle", "lcm", "xl", "xl-turbo", "xl-distilled",
  ]

  private func text(_ value: Any) -> String {
    var text = ""
    dump(value, to: &text)
    return text
  }

  @Test(arguments: versions, models) func theNetworksAreTheSame(_ version: String, _ name: String) throws {
    let saved = try SavedFolder(name, version: version)
    defer { withExtendedLifetime(saved) {} }
    let folder = try ModelFolder(path: saved.path)
    _ = try DiffusionModel(folder: folder, cache: PartCache(budget: .max))
    let parts = try Golden.ModelParts(name)
    defer { withExtendedLifetime(parts) {} }
    let own = try ModelFolder(path: parts.path)
    let (unet, network) = (try folder.config(for: "unet"), try own.config(for: "unet"))
    // The version itself says something: before 0.9 the size that a network was trained at is wrong.
    let values = network.values.merging(["_diffusers_version": unet["_diffusers_version"] ?? .null]) { $1 }
    #expect(
      try text(UNetConfiguration(unet)) == text(UNetConfiguration(.init(path: unet.path, values: values))))
    // What a version does not know it does not write: the scale of latents before 0.11.
    let (vae, autoencoder) = (try folder.config(for: "vae"), try own.config(for: "vae"))
    let known = autoencoder.values.filter { vae.has($0.key) }
    #expect(
      try text(AutoencoderConfiguration(vae))
        == text(AutoencoderConfiguration(.init(path: vae.path, values: known))))
    for encoder in ["text_encoder", "text_encoder_2"] where own.has(encoder) {
      #expect(
        try text(CLIPTextConfiguration(folder.config(for: encoder)))
          == text(CLIPTextConfiguration(own.config(for: encoder))))
    }
  }

  /// The same weights give the picture of the model that was saved. (With its own method: another one takes from the
  /// file what it states, and versions differ in that. So the spacing of timesteps is in files since 0.21.)
  @Test(arguments: versions) func thePictureIsTheSame(_ version: String) throws {
    let saved = try SavedFolder("base", version: version)
    defer { withExtendedLifetime(saved) {} }
    let model = try DiffusionModel(folder: ModelFolder(path: saved.path), cache: PartCache(budget: .max))
    try GoldenPicture.named("13-base-pndm-64x64.png", in: "families").expect(by: model, version)
  }

  @Test(arguments: versions) func everyPipelinesIndexIsTaken(_ version: String) throws {
    let indexes = try #require(try SavedFolder.saved(version).objectIfPresent("index")).values
    #expect(indexes.count >= 3)
    for (name, values) in indexes {
      let model =
        name.contains("XL")
        ? "xl"
        : name == "StableDiffusionInpaintPipeline"
          ? "painter" : name.hasPrefix("LatentConsistency") ? "lcm" : "base"
      let parts = try Golden.ModelParts(model)
      defer { withExtendedLifetime(parts) {} }
      let path = parts.path + "/model_index.json"
      try FileManager.default.removeItem(atPath: path)
      try Data(values.text.utf8).write(to: URL(fileURLWithPath: path))
      _ = try parts.load()
    }
  }

  @Test(arguments: versions) func everySchedulersFileIsRead(_ version: String) throws {
    let schedulers = try #require(try SavedFolder.saved(version).objectIfPresent("schedulers"))
    #expect(schedulers.values.count >= 4)
    for key in schedulers.values.keys {
      let config = try #require(try schedulers.objectIfPresent(key))
      _ = try SchedulerConfiguration(config)
    }
  }

  @Test(arguments: versions) func aTinyVAEIsRead(_ version: String) throws {
    let files = try #require(try SavedFolder.saved(version).objectIfPresent("files"))
    guard let config = try files.objectIfPresent("vae/tiny/config.json") else {
      // The class came with 0.20.
      #expect(["0.6.0", "0.14.0"].contains(version))
      return
    }
    let own = try ConfigObject(contentsOf: Places.golden("vae/tiny/config.json"))
    #expect(try text(AutoencoderTinyConfiguration(config)) == text(AutoencoderTinyConfiguration(own)))
  }
}
