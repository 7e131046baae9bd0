import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Images
import Requests
import Tensors
import Testing
import WeightCache

/// Single-file checkpoints against the folders they were made of, whose tensors and pictures genuine
/// diffusers made.
@Suite struct SingleFileTests {
  private static let components = ["unet", "vae", "text_encoder", "text_encoder_2"]

  /// Every tensor of every component comes back as the folder has it.
  @Test(arguments: ["base", "wide", "xl", "sd2"]) func sameTensorsAsTheFolder(_ name: String) throws {
    let parts = try Golden.ModelParts(name)
    let folder = try ModelFolder(path: parts.path)
    let single = try SingleFile(name)
    let file = try CheckpointFile(path: single.path)
    var count = 0
    for component in Self.components where folder.has(component) {
      let theirs = try folder.weights(for: component)
      let ours = try file.weights(for: component)
      for known in theirs.names where !known.hasSuffix("position_ids") {
        let key = Self.modern(known, component, ours)
        let wanted = try theirs.stored(known).read()
        let found = try ours.stored(key).read()
        #expect(found.shape == wanted.shape && found.values == wanted.values, "\(component) \(known)")
        count += 1
      }
      #expect(ours.unusedNames().isEmpty, "\(component): \(ours.unusedNames())")
    }
    #expect(count > 300)
    print("single file \(name): \(count) tensors equal")
  }

  /// Old folders still have the first names of the autoencoder's attention.
  private static func modern(_ name: String, _ component: String, _ weights: Weights) -> String {
    if component.hasPrefix("text") { return weights.has(name) ? name : "text_model." + name }
    return [("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")].reduce(name) {
      $0.replacingOccurrences(of: ".\($1.0).", with: ".\($1.1).")
    }
  }

  @Test(arguments: [("base", "00-base-128x128.png"), ("wide", "06-wide-128x128.png")])
  func samePicture(_ name: String, _ file: String) throws {
    try GoldenPicture.named(file, in: "pictures").expect(by: SingleFile(name).load(), "single file")
  }

  /// The single files of SDXL and SD2, whose pictures diffusers made of the folders.
  @Test(arguments: [("xl", "00-xl-own-128x64.png"), ("sd2", "08-sd2-own-96x128.png")])
  func samePictureOfOtherFamilies(_ name: String, _ file: String) throws {
    let single = try SingleFile(name)
    try GoldenPicture.named(file, in: "families").expect(by: single.load(), "single file")
  }

  /// A VAE from a folder, from diffusers' file, from CompVis' file alone and within a checkpoint: the same
  /// picture, also where the checkpoint has none.
  @Test func anotherVAEFromAnywhere() throws {
    let bare = try SingleFile("wide", without: ["vae"])
    let parts = try Golden.ModelParts("wide")
    let whole = try SingleFile("wide")
    let scratch = try SingleFile("wide", without: ["unet", "text_encoder"])
    let places = [
      parts.path, parts.path + "/vae", parts.path + "/vae/diffusion_pytorch_model.safetensors", whole.path,
      scratch.path,
    ]
    // The companion says how latents are scaled; a file without one cannot.
    try? FileManager.default.moveItem(
      atPath: whole.folder + "/model.config/vae/config.json",
      toPath: whole.folder + "/model.config/config.json")
    try? FileManager.default.moveItem(
      atPath: scratch.folder + "/model.config/vae/config.json",
      toPath: scratch.folder + "/model.config/config.json")
    for vae in places {
      try GoldenPicture.named("06-wide-128x128.png", in: "pictures").expect(by: bare.load(vae: vae), vae)
    }
  }

  /// A UNet that is shown mask and picture, with nine channels, in one file.
  @Test func anInpaintingFilePaints() throws {
    let file = try SingleFile("painter")
    let kind = try CheckpointFile(path: file.path).kind
    #expect(kind.isInpainting && kind.pipelineClass == "StableDiffusionInpaintPipeline")
    let model = try file.load()
    let settings = SourcePictureTests.settings.filter { $0.model == "painter" }
    #expect(!settings.isEmpty)
    for setting in settings { try setting.expect(by: model, "single file") }
  }

  @Test func aMissingVAEIsSaid() throws {
    let bare = try SingleFile("base", without: ["vae"])
    let error = CheckpointError.missingVAE(path: bare.path)
    #expect(throws: error) { try bare.load() }
    #expect(error.description.contains("--vae"))
  }

  /// EMA copies, the noise schedule and what training left are passed over; a tensor inside a network
  /// that has no place there is not.
  @Test func onlyWhatBelongsIsTaken() throws {
    let extra = [
      "model_ema.diffusion_modelinput_blocks00weight": [4, 4], "model_ema.decay": [1],
      "alphas_cumprod": [1000],
      "first_stage_model.loss.logvar": [1], "cond_stage_model.transformer.logit_scale": [1],
    ]
    let files = [try SingleFile("base"), try SingleFile("base", extra: extra)]
    defer { withExtendedLifetime(files) {} }
    let (plain, more) = (try CheckpointFile(path: files[0].path), try CheckpointFile(path: files[1].path))
    for component in ["unet", "vae"] {
      #expect(try more.weights(for: component).names == plain.weights(for: component).names)
    }
    let strange = try SingleFile("base", extra: ["model.diffusion_model.input_blocks.1.7.weight": [2]])
    #expect(throws: CheckpointError.unmatchedKeys(path: strange.path, keys: ["input_blocks.1.7.weight"])) {
      try CheckpointFile(path: strange.path)
    }
  }

  /// Without a companion the tiny file's widths fit no rule of its family, and that is said, not guessed.
  @Test func whatShapesDoNotTellIsAskedFor() throws {
    let file = try SingleFile("base", companion: false)
    do {
      _ = try file.load()
      Issue.record("guessed")
    } catch let error as CheckpointError {
      #expect(error.description.contains("model.config/"), "\(error)")
    }
  }

  @Test func aCompanionChangesTheDigest() throws {
    let file = try SingleFile("base")
    let before = try ModelPath(file.path).open().digest()
    try Data("{}".utf8).write(to: URL(fileURLWithPath: file.folder + "/model.config/scheduler/other.json"))
    #expect(try ModelPath(file.path).open().digest() != before)
  }
}
