import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Images
import Requests
import Tensors
import TestSupport
import Testing
import WeightCache

/// Weighted prompts against AUTOMATIC1111's rule, plain ones and learned words against diffusers
/// (Tests/Goldens/scripts/prompt_rule.py and prompt_states.py).
@Suite struct PromptTests {
  struct Index: Decodable {
    struct Part: Decodable {
      let text: String?
      let weight: Double
    }
    struct Chunk: Decodable {
      let ids: [Int32]
      let weights: [Float]
    }
    struct Reading: Decodable {
      let prompt: String
      let parts: [Part]
      let chunks: [Chunk]
    }
    struct States: Decodable {
      let name: String?
      let file: String?
      let plain: Bool?
      let prompt: String
      let negative: String
      let words: [String]
      let clipSkip: Int?
    }
    let reading: [Reading]
    let weighted: [States]
    let plain: [States]
    let pictures: [States]
  }

  let index: Index
  let pass = ForwardPass(compute: Compute(threads: 2))

  init() throws { index = try Golden.decode("prompts/prompts.json") }

  @Test func readsWeightsAsTheReference() throws {
    #expect(index.reading.count >= 40)
    for golden in index.reading {
      let parts = try WeightedPrompt(golden.prompt).parts
      let expected = golden.parts.map { part in
        part.text.map { WeightedPrompt.Part.text($0, weight: part.weight) } ?? .chunkBreak
      }
      #expect(parts == expected, "\(golden.prompt.debugDescription)")
    }
  }

  @Test func cutsChunksAsTheReference() throws {
    let reader = PromptTokenizer(try Golden.ModelParts("base").load().prompts.first.tokenizer)
    for golden in index.reading {
      let chunks = try reader.chunks(WeightedPrompt(golden.prompt))
      #expect(chunks.map(\.ids) == golden.chunks.map(\.ids), "\(golden.prompt.debugDescription)")
      #expect(chunks.map(\.weights) == golden.chunks.map(\.weights), "\(golden.prompt.debugDescription)")
    }
  }

  static func word(_ name: String) throws -> TextualInversion {
    let path = Places.golden("prompts/\(name).safetensors")
    // The file of this layout does not say its token; its name does.
    return try TextualInversion(path: path, token: name == "fox-style" ? "fox-style" : nil)
  }

  private func reading(_ case: Index.States, isPlain: Bool) throws -> PromptReading {
    PromptReading(
      isPlain: isPlain, clipSkip: `case`.clipSkip ?? 0, embeddings: try `case`.words.map(Self.word))
  }

  @Test func statesAgree() throws {
    let model = try Golden.ModelParts("base").load()
    let golden = try Golden.tensors("prompts/states.safetensors")
    var worst = 0.0
    for (cases, isPlain) in [(index.weighted, false), (index.plain, true)] {
      for one in cases {
        let name = try #require(one.name)
        let states = try states(of: one, reading(one, isPlain: isPlain), model)
        for (row, key) in [(0, "negative"), (1, "positive")] {
          let error = try relativeError(states.image(row), golden["\(name).\(key)"])
          #expect(error < 1e-5, "\(name) \(key): relative error \(error)")
          worst = max(worst, error)
        }
      }
    }
    print("golden prompts: worst relative error \(worst)")
  }

  private func states(of one: Index.States, _ reading: PromptReading, _ model: DiffusionModel) throws
    -> Tensor
  {
    try model.prompts([one.negative, one.prompt], reading, pass).states
  }

  /// The goldens would notice: other weights, no mean restored, other skips.
  @Test func sensitive() throws {
    let model = try Golden.ModelParts("base").load()
    let golden = try Golden.tensors("prompts/states.safetensors")
    var one = try #require(index.weighted.first)
    let expected = try golden["weighted.0.positive"]
    one = .init(
      name: nil, file: nil, plain: nil, prompt: one.prompt.replacing("1.4", with: "1.39"),
      negative: one.negative,
      words: [], clipSkip: nil)
    #expect(try relativeError(states(of: one, PromptReading(), model).image(1), expected) > 1e-4)
    #expect(try relativeError(states(of: one, PromptReading(isPlain: true), model).image(1), expected) > 0.01)
    let skipped = try #require(index.plain.first { $0.clipSkip == 1 })
    let states = try states(of: skipped, PromptReading(isPlain: true, clipSkip: 2), model)
    #expect(try relativeError(states.image(1), golden["\(try #require(skipped.name)).positive"]) > 0.01)
  }

  @Test func picturesAgree() throws {
    let model = try Golden.ModelParts("base").load()
    let renderer = Renderer(model: model, pass: pass)
    #expect(index.pictures.count == 5)
    for one in index.pictures {
      var request = PictureRequest(
        prompt: one.prompt, negativePrompt: one.negative, width: 64, height: 64, steps: 5, guidance: 5,
        seed: 3)
      request.reading = try reading(one, isPlain: one.plain == true)
      let file = try #require(one.file)
      let image = try renderer.render(request)
      let golden = try PNGFile.read(Places.golden("prompts/\(file)")).image
      let (mean, most) = Self.levels(image, golden)
      #expect(mean <= 0.05 && most <= 2, "\(file): mean \(mean), maximum \(most)")
      print("golden prompts/\(file): mean \(mean) max \(most) levels")
      // What the picture must not look like: the words read the other way.
      request.reading.isPlain.toggle()
      if file != "clip-skip.png", file != "plain-learned.png" {
        #expect(Self.levels(try renderer.render(request), golden).mean > 0.5, "\(file)")
      }
    }
  }

  private static func levels(_ a: RGBImage, _ b: RGBImage) -> (mean: Double, max: Int) {
    let differences = zip(a.pixels, b.pixels).map { abs(Int($0) - Int($1)) }
    return (Double(differences.reduce(0, +)) / Double(max(1, differences.count)), differences.max() ?? 0)
  }

  /// Nothing to read, nothing changed: the very same bits as the plain way, and as the encoder alone.
  @Test(arguments: [
    "", "a red fox in the snow", "Café 🐱, it's 42! x:y", "one, two; three | four {five} <six> AND",
  ])
  func plainTextIsUntouched(_ prompt: String) throws {
    let model = try Golden.ModelParts("base").load()
    let read = try model.prompts(["blurry", prompt], PromptReading(), pass).states
    let plain = try model.prompts(["blurry", prompt], PromptReading(isPlain: true), pass).states
    let bare = try model.prompts.first.network(
      ["blurry", prompt].map { model.prompts.first.tokenizer.encode($0) }, pass)
    #expect(read.shape == bare.shape && read.values == bare.values && plain.values == bare.values)
  }

  @Test func exactlySeventyFiveTokensAreOneChunk() throws {
    let reader = PromptTokenizer(try Golden.ModelParts("base").load().prompts.first.tokenizer)
    for (count, chunks) in [(74, 1), (75, 1), (76, 2), (150, 2), (151, 3)] {
      let prompt = Array(repeating: "the", count: count).joined(separator: " ")
      #expect(try reader.chunks(WeightedPrompt(prompt)).count == chunks)
      #expect(reader.plain(prompt).ids.count == min(count, 75))
    }
  }

  @Test func nonsenseIsRefusedByName() throws {
    #expect(throws: DiffusionError.self) { try WeightedPrompt(String(repeating: "(", count: 201)) }
    #expect(throws: DiffusionError.self) { try WeightedPrompt("(a:\(String(repeating: "9", count: 60)))") }
    _ = try WeightedPrompt("(a:\(String(repeating: "9", count: 38)))")
    let model = try Golden.ModelParts("base").load()
    let long = Array(repeating: "BREAK", count: 200).joined(separator: " ")
    #expect(throws: DiffusionError.self) { try model.prompts([long], PromptReading(), pass).states }
    #expect(throws: DiffusionError.self) {
      try model.prompts(["a"], PromptReading(clipSkip: 3), pass).states
    }
    let toy = try Self.word("toy")
    #expect(throws: DiffusionError.self) {
      try model.prompts(["a"], PromptReading(embeddings: [toy, toy]), pass).states
    }
    let known = try TextualInversion(path: toy.path, token: "the</w>")
    #expect(throws: DiffusionError.self) {
      try model.prompts(["a"], PromptReading(embeddings: [known]), pass).states
    }
  }
}
