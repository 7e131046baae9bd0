import Diffusion
import Foundation
import GoldenModels
import Requests
import Tensors
import Testing
import WeightCache

/// The same prompts are projected once, and other prompts are never taken for them.
@Suite struct TextMemoryTests {
  private func request(_ prompt: String, seed: UInt64) -> PictureRequest {
    var request = PictureRequest(prompt: prompt, width: 64, height: 64, steps: 2)
    request.seed = seed
    return request
  }

  @Test func theSamePromptIsEncodedOnce() throws {
    let cache = PartCache()
    let model = try Golden.ModelParts("base").load(cache: cache)
    let pass = ForwardPass(compute: Compute(threads: 2))
    func textParts(_ body: () throws -> Void) throws -> Int {
      cache.startTrace()
      try body()
      return try #require(cache.trace).uses.count { $0.part.contains("text_model") }
    }
    let renderer = Renderer(model: model, pass: pass)
    #expect(try textParts { _ = try renderer.begin(request("a fox", seed: 1)) } > 0)
    #expect(try textParts { _ = try renderer.begin(request("a fox", seed: 2)) } == 0)
    #expect(try textParts { _ = try renderer.begin(request("a dog", seed: 2)) } > 0)
    var other = request("a dog", seed: 2)
    other.negativePrompt = "blurry"
    #expect(try textParts { _ = try renderer.begin(other) } > 0)
    other.reading.clipSkip = 1
    #expect(try textParts { _ = try renderer.begin(other) } > 0)
  }

  @Test func thePictureIsTheSame() throws {
    let model = try Golden.ModelParts("base").load()
    let pass = ForwardPass(compute: Compute(threads: 2))
    let renderer = Renderer(model: model, pass: pass)
    _ = try renderer.render(request("a fox", seed: 7))
    let again = try renderer.render(request("a fox", seed: 8))
    #expect(try again == Renderer(model: model, pass: pass).render(request("a fox", seed: 8)))
  }

  /// A negative prompt that two jobs have in common is encoded once, and says what it would have said beside the
  /// other prompt, to the bit.
  @Test(arguments: ["base", "xl"]) func theSameNegativePromptIsEncodedOnce(name: String) throws {
    func encode(_ prompts: [String?], _ model: DiffusionModel) throws -> (Conditioning, operations: Int) {
      let compute = Compute(threads: 2)
      let conditioning = try model.prompts(prompts, PromptReading(), ForwardPass(compute: compute))
      return (conditioning, compute.work.total)
    }
    let long = "a fox " + String(repeating: "in the deep snow, ", count: 30)
    for precision in [Precision.f32, .bf16] {
      let fresh = try encode(["blurry", "a dog"], Golden.ModelParts(name).load(precision: precision))
      let model = try Golden.ModelParts(name).load(precision: precision)
      _ = try encode(["blurry", "a fox"], model)
      let second = try encode(["blurry", "a dog"], model)
      #expect(second.0.states.values == fresh.0.states.values)
      #expect(second.0.pooled?.values == fresh.0.pooled?.values)
      #expect(2 * second.operations == fresh.operations)
      // Of another length the same text is padded anew.
      #expect(try encode(["blurry", long], model).operations > fresh.operations)
      #expect(try encode(["blurry", "a dog"], model).0.states.values == fresh.0.states.values)
    }
  }
}
