import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Requests
import TestSupport
import Testing
import WeightCache

/// Pickles wherever a model, VAE, LoRA or embedding can be named, and folders that hold nothing else: each
/// is refused with the reason and the mend, before a byte of it is interpreted.
@Suite struct PickleTests {
  private func expectRefusal(
    of path: String, sourceLocation: SourceLocation = #_sourceLocation, _ body: () throws -> Void
  ) {
    let error = #expect(throws: CheckpointError.pickled(path: path), sourceLocation: sourceLocation) {
      try body()
    }
    let text = error?.description ?? ""
    #expect(text.contains("can run any program"), sourceLocation: sourceLocation)
    #expect(text.contains("convert them to .safetensors"), sourceLocation: sourceLocation)
  }

  private func base(loras: [String] = [], vae: String? = nil) throws {
    _ = try DiffusionModel(
      folder: ModelFolder(path: Places.golden("model/base")), vae: vae, cache: PartCache(budget: 0),
      loras: loras.map { LoRAReference(path: $0, weight: 1) })
  }

  @Test(arguments: ["x.ckpt", "x.CKPT", "x.pt", "x.pth", "x.bin", "x.pkl", "x.safetensors"])
  func files(_ name: String) throws {
    let folder = try TemporaryFolder()
    let path = try folder.pickle(name)
    expectRefusal(of: path) { _ = try ModelPath(path).open() }
    expectRefusal(of: path) { try base(vae: path) }
    expectRefusal(of: path) { try base(loras: [path]) }
    expectRefusal(of: path) { _ = try TextualInversion(path: path) }
  }

  /// Folders whose only weights are pickles, under all the names that hub and trainers give them.
  @Test(arguments: [
    "diffusion_pytorch_model.bin", "diffusion_pytorch_model.fp16.bin", "diffusion_pytorch_model.non_ema.bin",
    "pytorch_model.bin", "pytorch_model-00001-of-00002.bin", "model.ckpt", "vae.pt", "unet.PTH",
  ])
  func folders(_ name: String) throws {
    let folder = try TemporaryFolder()
    let file = try folder.pickle(name)
    expectRefusal(of: file) { _ = try ModelPath(folder.path).open() }
    expectRefusal(of: file) { _ = try ComponentFolder(path: folder.path).weights() }
    expectRefusal(of: file) { try base(loras: [folder.path]) }
    expectRefusal(of: file) { _ = try TextualInversion(path: folder.path) }
    try Data("{}".utf8).write(to: URL(fileURLWithPath: folder.path + "/config.json"))
    expectRefusal(of: file) { try base(vae: folder.path) }
  }

  /// The names that diffusers' own training scripts give their results.
  @Test func whatTrainersLeave() throws {
    let folder = try TemporaryFolder()
    let lora = try folder.pickle("lora/pytorch_lora_weights.bin")
    expectRefusal(of: lora) { try base(loras: [folder.path + "/lora"]) }
    let words = try folder.pickle("words/learned_embeds.bin")
    expectRefusal(of: words) { _ = try TextualInversion(path: folder.path + "/words") }
  }

  /// A model whose text encoder alone is pickled.
  @Test(arguments: ["unet", "vae", "text_encoder"]) func oneComponent(_ component: String) throws {
    let folder = try TemporaryFolder()
    let files = FileManager.default
    try GoldenParts.assemble("base", at: folder.path, as: .copies)
    let place = folder.file(component)
    for name in try files.contentsOfDirectory(atPath: place) where name.hasSuffix(".safetensors") {
      try files.removeItem(atPath: place + "/" + name)
    }
    let file = try folder.pickle(component + "/pytorch_model.bin")
    expectRefusal(of: file) {
      _ = try DiffusionModel(folder: ModelPath(folder.path).open(), cache: PartCache(budget: 0))
    }
  }
}

extension TemporaryFolder {
  /// Writes a file that begins as torch's do.
  @discardableResult fileprivate func pickle(_ name: String) throws -> String {
    try write(name, [0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20])
  }
}
