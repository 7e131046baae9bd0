import Checkpoints
import Diffusion
import Foundation
import Fuzzing
import GoldenModels
import Tensors
import TestSupport
import Testing
import WeightCache

/// GGUF files as models, by the names that city96's converter and stable-diffusion.cpp give: every weight is that of
/// the folder they were made of.
@Suite struct GGUFModelTests {
  /// A model's tensors by CompVis' names.
  private func tensors(_ name: String, _ components: Set<String>) throws -> [(
    name: String, stored: StoredTensor
  )] {
    let file = try SingleFile(name)
    defer { withExtendedLifetime(file) {} }
    let whole = try SafetensorsFile(path: file.path)
    let prefixes = [
      "unet": ["model.diffusion_model."],
      "rest": ["cond_stage_model.", "first_stage_model.", "conditioner."],
    ]
    let wanted = components.flatMap { prefixes[$0] ?? [] }
    return whole.names.sorted().filter { name in
      // The positions are no numbers that ggml has a use for.
      wanted.contains(where: name.hasPrefix) && !name.hasSuffix("position_ids")
    }.compactMap { name in whole[name].map { (name, $0) } }
  }

  private func write(_ tensors: [(name: String, stored: StoredTensor)], to path: String) throws {
    let file = GGUFBytes(try tensors.map { .init($0.name, $0.stored.shape, try $0.stored.read().values) })
    try Data(file.bytes).write(to: URL(fileURLWithPath: path))
  }

  /// A copy of a golden model's folder, without its UNet's weights.
  private func copy(_ name: String, to folder: String) throws {
    let files = FileManager.default
    try GoldenParts.assemble(name, at: folder, as: .copies)
    for file in try files.contentsOfDirectory(atPath: folder + "/unet") where file.hasSuffix(".safetensors") {
      try files.removeItem(atPath: "\(folder)/unet/\(file)")
    }
  }

  private func expectSame(_ files: any ModelFiles, as name: String) throws {
    let parts = try Golden.ModelParts(name)
    let wanted = try ModelFolder(path: parts.path)
    // The folder lasts as long as its parts.
    defer { withExtendedLifetime(parts) {} }
    for component in ["unet", "vae", "text_encoder", "text_encoder_2"] where wanted.has(component) {
      let (found, known) = (try files.weights(for: component), try wanted.weights(for: component))
      for tensor in found.names where !tensor.hasSuffix("position_ids") {
        let spelling = known.has(tensor) ? tensor : String(tensor.dropFirst("text_model.".count))
        guard known.has(spelling) else { continue }
        #expect(try found.stored(tensor).read().values == known.stored(spelling).read().values, "\(tensor)")
      }
      #expect(!found.isEmpty, "\(component)")
    }
    _ = try DiffusionModel(folder: files, cache: PartCache())
  }

  @Test(arguments: [
    ("base", "alone"), ("base", "in the folder"), ("base", "in the folder by diffusers' names"),
    ("base", "whole"),
    ("xl", "alone"), ("xl", "whole"), ("xl", "whole by stable-diffusion.cpp's names"),
  ]) func everyWeightIsTheFolders(_ name: String, _ form: String) throws {
    let place = try TemporaryFolder()
    let folder = place.path
    defer { withExtendedLifetime(place) {} }
    let prefix = "model.diffusion_model."
    let bare = try tensors(name, ["unet"]).map {
      (name: String($0.name.dropFirst(prefix.count)), stored: $0.stored)
    }
    switch form {
    case "alone":
      try write(bare, to: folder + "/model.gguf")
      // Without the rest beside it, the mend is said.
      let error = #expect(throws: CheckpointError.self) { try ModelPath(folder + "/model.gguf").open() }
      #expect(error?.description.contains("model.config") == true)
      try copy(name, to: folder + "/model.config")
      try expectSame(ModelPath(folder + "/model.gguf").open(), as: name)
    case "in the folder":
      try copy(name, to: folder + "/model")
      try write(bare, to: folder + "/model/unet/model-Q8_0.gguf")
      try expectSame(ModelPath(folder + "/model").open(), as: name)
      try write(bare, to: folder + "/model/unet/model-Q4_0.gguf")
      #expect(throws: CheckpointError.self) { try expectSame(ModelPath(folder + "/model").open(), as: name) }
    case "in the folder by diffusers' names":
      try copy(name, to: folder + "/model")
      let parts = try Golden.ModelParts(name)
      defer { withExtendedLifetime(parts) {} }
      let source = try ModelFolder(path: parts.path).weights(for: "unet")
      let known = try source.names.map { (name: $0, stored: try source.stored($0)) }
      try write(known, to: folder + "/model/unet/any.gguf")
      try expectSame(ModelPath(folder + "/model").open(), as: name)
    default:
      let all = try tensors(name, ["unet", "rest"])
      let hasOwnNames = form != "whole"
      try write(
        all.compactMap { tensor in
          guard hasOwnNames else { return tensor }
          let renamed = tensor.name.replacing("conditioner.embedders.0.", with: "cond_stage_model.")
          return renamed.hasPrefix("conditioner.embedders.1.") ? nil : (renamed, tensor.stored)
        } + (hasOwnNames ? try secondEncoder(name) : []), to: folder + "/model.gguf")
      try copy(name, to: folder + "/model.config")
      for component in ["vae", "text_encoder", "text_encoder_2"] {
        let files =
          (try? FileManager.default.contentsOfDirectory(atPath: "\(folder)/model.config/\(component)")) ?? []
        for file in files where file.hasSuffix(".safetensors") {
          try FileManager.default.removeItem(atPath: "\(folder)/model.config/\(component)/\(file)")
        }
      }
      try expectSame(ModelPath(folder + "/model.gguf").open(), as: name)
    }
  }

  /// SDXL's second encoder in transformers' layout, as stable-diffusion.cpp renames it.
  private func secondEncoder(_ name: String) throws -> [(name: String, stored: StoredTensor)] {
    let parts = try Golden.ModelParts(name)
    defer { withExtendedLifetime(parts) {} }
    let weights = try ModelFolder(path: parts.path).weights(for: "text_encoder_2")
    return try weights.names.filter { !$0.hasSuffix("position_ids") }.map { tensor in
      let stored = try weights.stored(tensor)
      if tensor == "text_projection.weight", let turned = stored.transposed {
        return ("cond_stage_model.1.transformer.text_model.text_projection", turned)
      }
      let prefix = tensor.hasPrefix("text_model.") ? "" : "text_model."
      return ("cond_stage_model.1.transformer.\(prefix)\(tensor)", stored)
    }
  }
}
