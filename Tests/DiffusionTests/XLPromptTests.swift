import Experts
import Tensors
import Testing

@testable import Diffusion

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
    let word = try TextualInversion(path: Golden.path("prompts/both.safetensors"), token: "<both>")
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
