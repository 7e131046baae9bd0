import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Requests
import Tensors
import TestSupport
import Testing
import WeightCache

/// Weights that are read while a render goes on, from files that somebody touches meanwhile: an error that
/// names the file, or the picture as it would have been; never a crash and never a mixture.
@Suite struct StreamingFaultTests {
  /// A copy of a golden model, free to be damaged, its cache without room.
  private final class House {
    private let folder: TemporaryFolder
    let file: String
    let model: DiffusionModel
    let request = PictureRequest(prompt: "a cat", width: 64, height: 64, steps: 3, seed: 5)

    init() throws {
      folder = try TemporaryFolder()
      try GoldenParts.assemble("all-3x2", at: folder.path, as: .copies)
      file = folder.file("unet/diffusion_pytorch_model.safetensors")
      model = try DiffusionModel(
        folder: ModelFolder(path: folder.path), cache: PartCache(budget: 0, prefetches: false))
    }

    var renderer: Renderer { Renderer(model: model, pass: ForwardPass(compute: Compute(threads: 2))) }
  }

  @Test(arguments: ["cut short", "written to"]) func aChangedFileIsAnError(_ fault: String) throws {
    let house = try House()
    var denoising = try house.renderer.begin(house.request)
    _ = try house.renderer.advance(&denoising)
    let handle = try #require(FileHandle(forWritingAtPath: house.file))
    if fault == "cut short" {
      try handle.truncate(atOffset: try handle.seekToEnd() / 2)
    } else {
      try handle.seek(toOffset: try handle.seekToEnd() - 100)
      try handle.write(contentsOf: Data(repeating: 0xFF, count: 100))
    }
    try handle.close()
    do {
      _ = try house.renderer.advance(&denoising)
      Issue.record("went on with a file that was \(fault)")
    } catch let error as CheckpointError {
      #expect("\(error)".contains(house.file), "\(error)")
    }
    // Nothing of it is cached, and the process goes on.
    #expect(house.model.cache.byteCount == 0)
    let other = try House()
    _ = try other.renderer.render(other.request)
  }

  /// Whoever updates a model by renaming a new file over it doesn't disturb a render that is under way.
  @Test func aReplacedFileIsReadToTheEnd() throws {
    let house = try House()
    let undisturbed = try house.renderer.render(house.request)
    var denoising = try house.renderer.begin(house.request)
    _ = try house.renderer.advance(&denoising)
    try Data("another model".utf8).write(to: URL(fileURLWithPath: house.file + ".new"))
    try FileManager.default.removeItem(atPath: house.file)
    try FileManager.default.moveItem(atPath: house.file + ".new", toPath: house.file)
    while try house.renderer.advance(&denoising) {}
    #expect(try house.renderer.decode(denoising) == undisturbed)
  }
}
