import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite struct ModelFolderTests {
  private func makeModel(_ folder: TemporaryFolder) throws {
    try folder.write(
      "model_index.json",
      #"""
      {"_class_name": "StableDiffusionPipeline", "unet": ["diffusers", "UNet2DConditionModel"], "safety_checker": [null, null],
       "scheduler": ["diffusers", "DDIMScheduler"], "vae": ["diffusers", "AutoencoderKL"], "requires_safety_checker": false}
      """#)
    try folder.write("unet/config.json", #"{"sample_size": 8}"#)
    try folder.write(
      "unet/diffusion_pytorch_model.safetensors", tensors: ["a.weight": TestTensor([2], seed: 1)])
    try folder.write("vae/config.json", #"{"latent_channels": 4}"#)
    try folder.write(
      "vae/diffusion_pytorch_model.fp16.safetensors", tensors: ["b.weight": TestTensor([2], seed: 2)])
    try folder.write("scheduler/scheduler_config.json", #"{"beta_start": 0.1}"#)
  }

  @Test func readsAModelInPieces() throws {
    let folder = try TemporaryFolder()
    try makeModel(folder)
    let model = try ModelFolder(path: folder.path + "/")
    #expect(ModelFolder.isModel(path: folder.path) && !ModelFolder.isModel(path: folder.path + "/unet"))
    #expect(model.pipelineClass == "StableDiffusionPipeline")
    #expect(
      model.componentClasses == [
        "unet": "UNet2DConditionModel", "scheduler": "DDIMScheduler", "vae": "AutoencoderKL",
      ])
    #expect(model.has("unet") && !model.has("safety_checker"))
    #expect(try model.config(for: "unet").int("sample_size") == 8)
    #expect(try model.config(for: "scheduler").double("beta_start") == 0.1)
    #expect(try model.weights(for: "unet").names == ["a.weight"])
    #expect(try model.weights(for: "vae").names == ["b.weight"])
    #expect(
      throws: CheckpointError.missingFile(
        path: folder.path + "/tokenizer", purpose: "a folder of a model's component")
    ) {
      try model.config(for: "tokenizer")
    }
  }

  @Test func fullPrecisionGoesBeforeVariants() throws {
    let folder = try TemporaryFolder()
    try makeModel(folder)
    try folder.write("vae/diffusion_pytorch_model.safetensors", tensors: ["full": TestTensor([2], seed: 2)])
    #expect(try ModelFolder(path: folder.path).weights(for: "vae").names == ["full"])
  }

  /// Both precisions are there: who renders reads the full one, who merges the half one, whatever was fetched when.
  @Test func ofTwoPrecisionsTheWantedOneIsRead() throws {
    let folder = try TemporaryFolder()
    for (name, seed) in [("model", 1), ("model.fp16", 2)] {
      try folder.write("text_encoder/\(name).safetensors", tensors: ["a": TestTensor([2], seed: seed)])
    }
    let path = folder.path + "/text_encoder"
    #expect(try ComponentFolder(path: path).weightFileNames() == ["model.safetensors"])
    #expect(
      try ComponentFolder(path: path, preferring: .half).weightFileNames() == ["model.fp16.safetensors"])
    try FileManager.default.removeItem(atPath: path + "/model.fp16.safetensors")
    #expect(try ComponentFolder(path: path, preferring: .half).weightFileNames() == ["model.safetensors"])
  }

  /// Variants in all the spellings of their names, whole and in shards.
  @Test(arguments: ["fp16", "bf16"]) func variants(_ variant: String) throws {
    for stem in ["diffusion_pytorch_model", "model"] {
      let folder = try TemporaryFolder()
      try makeModel(folder)
      let unet = folder.path + "/unet"
      try FileManager.default.removeItem(atPath: unet + "/diffusion_pytorch_model.safetensors")
      let whole = "unet/\(stem).\(variant).safetensors"
      try folder.write(whole, tensors: ["v": TestTensor([2], seed: 1)])
      #expect(try ModelFolder(path: folder.path).weights(for: "unet").names == ["v"])
      try FileManager.default.removeItem(atPath: folder.path + "/" + whole)
      let shards = ["\(stem).\(variant)-00001-of-00002", "\(stem)-00002-of-00002.\(variant)"].map {
        $0 + ".safetensors"
      }
      for (index, shard) in shards.enumerated() {
        try folder.write("unet/" + shard, tensors: ["t\(index)": TestTensor([2], seed: index)])
      }
      for index in ["\(stem).safetensors.index.\(variant).json", "\(stem).\(variant).safetensors.index.json"]
      {
        try folder.write("unet/" + index, #"{"weight_map": {"t0": "\#(shards[0])", "t1": "\#(shards[1])"}}"#)
        #expect(try ModelFolder(path: folder.path).weights(for: "unet").names == ["t0", "t1"], "\(index)")
        try FileManager.default.removeItem(atPath: unet + "/" + index)
      }
    }
  }

  @Test func pickledWeightsAreRefused() throws {
    let folder = try TemporaryFolder()
    try makeModel(folder)
    try FileManager.default.moveItem(
      atPath: folder.path + "/unet/diffusion_pytorch_model.safetensors",
      toPath: folder.path + "/unet/diffusion_pytorch_model.bin")
    let path = folder.path + "/unet/diffusion_pytorch_model.bin"
    let error = #expect(throws: CheckpointError.pickled(path: path)) {
      try ModelFolder(path: folder.path).weights(for: "unet")
    }
    #expect(error?.description.contains(".safetensors") == true)
    try FileManager.default.removeItem(atPath: path)
    #expect(throws: CheckpointError.self) { try ModelFolder(path: folder.path).weights(for: "unet") }
  }

  @Test func shardsMustAgreeWithTheirIndex() throws {
    let folder = try TemporaryFolder()
    try makeModel(folder)
    let unet = folder.path + "/unet"
    try FileManager.default.removeItem(atPath: unet + "/diffusion_pytorch_model.safetensors")
    try folder.write(
      "unet/m-1.safetensors", tensors: ["a": TestTensor([2], seed: 1), "b": TestTensor([1], seed: 2)])
    try folder.write("unet/m-2.safetensors", tensors: ["c": TestTensor([2], seed: 3)])
    func load(_ map: String) throws -> [String] {
      try folder.write(
        "unet/diffusion_pytorch_model.safetensors.index.json", #"{"metadata": {}, "weight_map": \#(map)}"#)
      return try ModelFolder(path: folder.path).weights(for: "unet").names
    }
    #expect(
      try load(#"{"a": "m-1.safetensors", "b": "m-1.safetensors", "c": "m-2.safetensors"}"#) == [
        "a", "b", "c",
      ])
    let bad: [(map: String, word: String)] = [
      (#"{"a": "m-1.safetensors", "c": "m-2.safetensors"}"#, "b: is in m-1.safetensors"),
      (#"{"a": "m-1.safetensors", "b": "m-1.safetensors", "d": "m-2.safetensors"}"#, "has no tensor 'd'"),
      (
        #"{"a": "m-1.safetensors", "b": "m-1.safetensors", "c": "m-3.safetensors"}"#,
        "m-3.safetensors: not found"
      ),
      (#"{"a": "../unet/m-1.safetensors"}"#, "not the name of"),
      (#"{"a": "/etc/passwd.safetensors"}"#, "not the name of"),
      (#"{"a": "m-1.bin"}"#, "not the name of"), (#"{"a": ".safetensors"}"#, "not the name of"),
      (#"{"a": 1}"#, "a: is"),
      ("{}", "names no weights"), ("[]", "weight_map: is a list"),
    ]
    for (map, word) in bad {
      let error = #expect(throws: CheckpointError.self) { try load(map) }
      #expect(error?.description.contains(word) == true, "\(String(describing: error))")
    }
  }

  @Test func damagedIndexesAreRefused() throws {
    let folder = try TemporaryFolder()
    #expect(throws: CheckpointError.self) { try ModelFolder(path: folder.path) }
    for text in ["[]", "{", #"{"../unet": ["diffusers", "X"]}"#, #"{".x": ["diffusers", "X"]}"#] {
      try folder.write("model_index.json", text)
      #expect(throws: CheckpointError.self, "\(text)") { try ModelFolder(path: folder.path) }
    }
  }

  @Test func theDigestSeesEveryByteThatCounts() throws {
    let folder = try TemporaryFolder()
    try makeModel(folder)
    func digest() throws -> String { try ModelFolder(path: folder.path).digest() }
    let first = try digest()
    #expect(first.count == 64)
    #expect(try digest() == first)
    try folder.write("README.md", "notes do not count")
    try folder.write("unet/pytorch_model.bin", "nor do other formats")
    #expect(try digest() == first)
    try folder.write("unet/config.json", #"{"sample_size": 9}"#)
    let second = try digest()
    #expect(second != first)
    try folder.write(
      "unet/diffusion_pytorch_model.safetensors", tensors: ["a.weight": TestTensor([2], seed: 9)])
    let third = try digest()
    #expect(third != second)
    try folder.write("scheduler/scheduler_config.json", #"{"beta_start": 0.2}"#)
    #expect(try digest() != third)
  }
}
