import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Tensors
import TestSupport
import Testing
import WeightCache

/// `AutoencoderTiny` (TAESD) against genuine diffusers.
@Suite struct TinyDecoderTests {
  private let folder = Places.golden("vae/tiny")

  private func decoder() throws -> TinyDecoder {
    let files = try AutoencoderFiles(path: folder, own: nil, isXL: false)
    return try TinyDecoder(files.weights, AutoencoderTinyConfiguration(files.config))
  }

  @Test func sameNumbersAsTheReference() throws {
    let golden = try Golden.tensors("vae/tiny.safetensors")
    let pixels = try decoder()(golden["latents"].channelsLast, ForwardPass(compute: Compute(threads: 2)))
    let error = try relativeError(pixels, golden["pixels"].channelsLast)
    #expect(error < 1e-5, "relative error \(error)")
    print("tiny VAE: relative error \(error)")
  }

  /// The soft bound of the latents must be seen: without it the golden is far away.
  @Test func theBoundOfLatentsMatters() throws {
    let golden = try Golden.tensors("vae/tiny.safetensors")
    var latents = try golden["latents"].channelsLast
    latents.withUnsafeMutable { values in
      for index in values.indices { values[index] = max(-2.9, min(2.9, values[index])) }
    }
    let error = try relativeError(
      decoder()(latents, ForwardPass(compute: Compute(threads: 2))), golden["pixels"].channelsLast)
    #expect(error > 1e-3)
  }

  /// As a folder, as a file without configuration, and as TAESD's own file of the decoder alone.
  @Test(arguments: ["folder", "file", "bare"]) func samePictureInEveryForm(_ form: String) throws {
    let scratch = try TemporaryFolder()
    let stored = folder + "/diffusion_pytorch_model.safetensors"
    var vae = folder
    if form == "file" {
      vae = try scratch.copy(stored, to: "taesd.safetensors")
    } else if form == "bare" {
      vae = scratch.file("taesd_decoder.safetensors")
      try writeBareDecoder(SafetensorsFile(path: stored), to: vae)
    }
    let setting = try #require(try GoldenPicture.list("vae", pictures: "pictures").first)
    let parts = try Golden.ModelParts("base")
    let model = try DiffusionModel(
      folder: ModelPath(parts.path).open(), vae: vae, cache: PartCache())
    #expect(model.digest.contains("+vae:"))
    try setting.expect(by: model, "tiny VAE as \(form)")
  }

  /// As a folder's own VAE.
  @Test func aFoldersOwnTinyVAE() throws {
    let parts = try Golden.ModelParts("base")
    try FileManager.default.removeItem(atPath: parts.path + "/vae")
    try FileManager.default.createSymbolicLink(atPath: parts.path + "/vae", withDestinationPath: folder)
    let setting = try #require(try GoldenPicture.list("vae", pictures: "pictures").first)
    try setting.expect(by: parts.load())
  }

  private func writeBareDecoder(_ file: SafetensorsFile, to path: String) throws {
    var tensors: [(SafetensorsWriter.Declaration, StoredTensor)] = []
    let prefix = "decoder.layers."
    for name in file.names.sorted() where name.hasPrefix(prefix) {
      let rest = name.dropFirst(prefix.count)
      let dot = try #require(rest.firstIndex(of: "."))
      let number = try #require(Int(rest[..<dot]))
      let stored = try #require(file[name])
      tensors.append(
        (.init(name: "\(number + 1)\(rest[dot...])", type: stored.type, shape: stored.shape), stored))
    }
    let writer = try SafetensorsWriter(path: path, tensors: tensors.map(\.0))
    for (declaration, stored) in tensors { try writer.append(stored, name: declaration.name) }
    try writer.finish()
  }
}
