import Checkpoints
import Diffusion
import Foundation
import Requests
import Testing
import WeightCache

/// Pickles wherever a model, VAE, LoRA or embedding can be named, and folders that hold nothing else: each
/// is refused with the reason and the mend, before a byte of it is interpreted.
@Suite struct PickleTests {
  /// A folder that is gone with the test.
  private final class Folder {
    let path = NSTemporaryDirectory() + "pickles-" + UUID().uuidString

    init() throws { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    /// What torch writes begins like this.
    @discardableResult func pickle(_ name: String) throws -> String {
      let file = URL(fileURLWithPath: path + "/" + name)
      try FileManager.default.createDirectory(
        at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data([0x80, 0x02, 0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20]).write(to: file)
      return file.path
    }
  }

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
      folder: ModelFolder(path: Golden.path("model/base")), vae: vae, cache: PartCache(budget: 0),
      loras: loras.map { LoRAReference(path: $0, weight: 1) })
  }

  @Test(arguments: ["x.ckpt", "x.CKPT", "x.pt", "x.pth", "x.bin", "x.pkl", "x.safetensors"])
  func files(_ name: String) throws {
    let folder = try Folder()
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
    let folder = try Folder()
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
    let folder = try Folder()
    let lora = try folder.pickle("lora/pytorch_lora_weights.bin")
    expectRefusal(of: lora) { try base(loras: [folder.path + "/lora"]) }
    let words = try folder.pickle("words/learned_embeds.bin")
    expectRefusal(of: words) { _ = try TextualInversion(path: folder.path + "/words") }
  }

  /// A model whose text encoder alone is pickled.
  @Test(arguments: ["unet", "vae", "text_encoder"]) func oneComponent(_ component: String) throws {
    let folder = try Folder()
    let files = FileManager.default
    try files.removeItem(atPath: folder.path)
    try files.copyItem(atPath: Golden.path("model/base"), toPath: folder.path)
    let place = folder.path + "/" + component
    for name in try files.contentsOfDirectory(atPath: place) where name.hasSuffix(".safetensors") {
      try files.removeItem(atPath: place + "/" + name)
    }
    let file = try folder.pickle(component + "/pytorch_model.bin")
    expectRefusal(of: file) {
      _ = try DiffusionModel(folder: ModelPath(folder.path).open(), cache: PartCache(budget: 0))
    }
  }
}
