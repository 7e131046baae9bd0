import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Requests
import Tensors
import TestSupport
import Testing
import WeightCache

/// SDXL's two encoders get the same chunks: weights by AUTOMATIC1111's rule, plain prompts, clip skip and
/// learned words as diffusers (Tests/Goldens/scripts/prompt_states_xl.py).
@Suite struct XLPromptTests {
  struct Case: Decodable {
    let prompt: String
    let negative: String
    let plain: Bool
    let words: Bool
    let clipSkip: Int?
  }

  @Test func bothEncodersAgree() throws {
    let cases: [Case] = try Golden.decode("prompts/xl.json")
    let golden = try Golden.tensors("prompts/xl.safetensors")
    let model = try Golden.ModelParts("xl").load()
    let word = try TextualInversion(path: Places.golden("prompts/both.safetensors"), token: "<both>")
    var worst = 0.0
    #expect(cases.count == 6)
    for (number, one) in cases.enumerated() {
      let reading = PromptReading(
        isPlain: one.plain, clipSkip: one.clipSkip ?? 0, embeddings: one.words ? [word] : [])
      let result = try model.prompts(
        [one.negative, one.prompt], reading, ForwardPass(compute: Compute(threads: 2)))
      let pooled = try #require(result.pooled)
      for (tensor, row, name) in [
        (result.states, 1, "positive"), (result.states, 0, "negative"), (pooled, 1, "pooled"),
        (pooled, 0, "negative_pooled"),
      ] {
        let error = try relativeError(tensor.image(row), golden["\(number).\(name)"])
        #expect(error < 1e-5, "\(number) \(name): relative error \(error)")
        worst = max(worst, error)
      }
    }
    print("golden SDXL prompts: worst relative error \(worst)")
  }

  /// An embedding for one encoder does not fit a model of two.
  @Test func halfAnEmbeddingIsRefused() throws {
    let model = try Golden.ModelParts("xl").load()
    let half = PromptReading(embeddings: [try PromptTests.word("toy")])
    #expect(throws: DiffusionError.self) {
      try model.prompts(["a"], half, ForwardPass(compute: Compute(threads: 1)))
    }
  }
}

/// A word of SDXL in every packing that trainers save, against the states of the usual one.
@Suite struct XLWordPackingTests {
  private func write(_ path: String, _ tensors: [String: Tensor]) throws -> String {
    let tensors = tensors.sorted { $0.key < $1.key }
    let writer = try SafetensorsWriter(
      path: path, tensors: tensors.map { .init(name: $0.key, type: .float32, shape: $0.value.shape) })
    for (name, tensor) in tensors { try writer.append(tensor, name: name) }
    try writer.finish()
    return path
  }

  /// Puts the golden word's two tables into files.
  private func pack(_ packing: String, in folder: String) throws -> [TextualInversion] {
    let word = try TextualInversion(path: Places.golden("prompts/both.safetensors"), token: "<both>")
    try #require(word.tables.count == 2)
    func write(_ name: String, _ tensors: [String: Tensor]) throws -> String {
      try self.write("\(folder)/\(name)", tensors)
    }
    switch packing {
    case "files", "files the other way round":
      let paths = [
        try write("learned_embeds.safetensors", ["<both>": word.tables[0]]),
        try write("learned_embeds_2.safetensors", ["<both>": word.tables[1]]),
      ]
      return try (packing == "files" ? paths : paths.reversed()).map { try TextualInversion(path: $0) }
    case "folder":
      _ = try write("learned_embeds.safetensors", ["<both>": word.tables[0]])
      _ = try write("learned_embeds_2.safetensors", ["<both>": word.tables[1]])
      return [try TextualInversion(path: folder)]
    case "halves":
      return [
        try TextualInversion(path: write("l.safetensors", ["clip_l": word.tables[0]]), token: "<both>"),
        try TextualInversion(path: write("g.safetensors", ["clip_g": word.tables[1]]), token: "<both>"),
      ]
    default:
      let path = try write(
        "embeddings.pti", ["text_encoders_0": word.tables[0], "text_encoders_1": word.tables[1]])
      return [try TextualInversion(path: path, token: packing == "pivotal" ? "<both>" : nil)]
    }
  }

  /// Words that a LoRA brings are read in prompts wherever the LoRA is used, and nowhere else.
  @Test func sameStatesFromWithinALoRA() throws {
    let place = try TemporaryFolder()
    let folder = place.path
    defer { withExtendedLifetime(place) {} }
    let word = try TextualInversion(path: Places.golden("prompts/both.safetensors"), token: "<both>")
    try #require(word.tables.count == 2)
    let path = try write(
      folder + "/lora.safetensors",
      ["bundle_emb.<both>.clip_l": word.tables[0], "bundle_emb.<both>.clip_g": word.tables[1]])
    let parts = try Golden.ModelParts("xl")
    func states(_ loras: [LoRAReference], _ words: [TextualInversion]) throws -> [Float] {
      let model = try DiffusionModel(
        folder: ModelFolder(path: parts.path), cache: PartCache(budget: .max), loras: loras)
      let (reading, pass) = (
        PromptReading(embeddings: words), ForwardPass(compute: Compute(threads: 2))
      )
      return try model.prompts(["a <both> fox"], reading, pass).states.values
    }
    let bundled = try states([LoRAReference(path: path)], [])
    #expect(try bundled == states([], [word]))
    #expect(try bundled != states([], []))
  }

  @Test(arguments: ["files", "files the other way round", "folder", "halves", "pivotal"])
  func sameStatesInEveryPacking(_ packing: String) throws {
    let place = try TemporaryFolder()
    let folder = place.path
    defer { withExtendedLifetime(place) {} }
    let model = try Golden.ModelParts("xl").load()
    func states(_ words: [TextualInversion], _ prompt: String = "a <both> fox") throws -> [Float] {
      let reading = PromptReading(embeddings: words)
      return try model.prompts([prompt], reading, ForwardPass(compute: Compute(threads: 2))).states.values
    }
    let usual = try TextualInversion(path: Places.golden("prompts/both.safetensors"), token: "<both>")
    let wanted = try states([usual])
    #expect(try wanted == states(pack(packing, in: folder)))
    #expect(try wanted != states([]))
    if packing == "pivotal" {
      // Each of its vectors has a token of its own as well, and the file's name stands for all.
      let count = usual.vectorCount
      let rows = (0..<count).map { "<s\($0)>" }.joined()
      #expect(try wanted == states(pack("named by the file", in: folder), "a \(rows) fox"))
    }
  }
}
