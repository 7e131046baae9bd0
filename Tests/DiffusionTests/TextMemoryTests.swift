import Experts
import Foundation
import Testing

@testable import Diffusion
@testable import Tensors

/// The same prompts are projected once, and other prompts are never taken for them.
@Suite struct TextMemoryTests {
  private func request(_ prompt: String, seed: UInt64) -> RenderRequest {
    var request = RenderRequest(prompt: prompt, width: 64, height: 64, steps: 2)
    request.seed = seed
    return request
  }

  @Test func theSamePromptIsEncodedOnce() throws {
    let cache = ExpertCache(budget: .max)
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
}
