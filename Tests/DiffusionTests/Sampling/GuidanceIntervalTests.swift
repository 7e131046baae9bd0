import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Requests
import Tensors
import Testing
import WeightCache

/// Guidance in some steps only, against genuine diffusers and its cutoff callbacks, on plain models, SDXL and a mixture,
/// whose routing then sees the prompt's row alone: mean difference at most 0.05 levels, maximum 2.
@Suite struct GuidanceIntervalTests {
  @Test func sameAsTheReference() throws {
    let settings = try GoldenPicture.list("guidance")
    #expect(settings.count == 6)
    for setting in settings {
      let model = try setting.load()
      try setting.expect(by: model)
      // A build that guides one step more or less is far outside of the bound.
      var request = try setting.request()
      if request.render.guidanceFrom > 0 {
        request.render.guidanceFrom -= 1 / Double(setting.steps)
      } else {
        request.render.guidanceUntil += 1 / Double(setting.steps)
      }
      let other = try setting.difference(request, by: model)
      #expect(other.mean > 0.1, "\(setting.file): \(other)")
    }
  }

  /// As the callbacks count: the step at the share itself is guided.
  @Test func stepsOfAnInterval() {
    func guided(_ from: Double, _ until: Double, of steps: Int) -> [Int] {
      var request = RenderRequest()
      (request.guidanceFrom, request.guidanceUntil) = (from, until)
      let guidance = Guidance(request)
      return (0..<steps).filter { guidance.isUsed(at: $0, of: steps) }
    }
    #expect(guided(0, 1, of: 5) == [0, 1, 2, 3, 4])
    #expect(guided(0, 0.4, of: 10) == [0, 1, 2, 3, 4])
    #expect(guided(0.3, 0.7, of: 8) == [2, 3, 4, 5])
    #expect(guided(0, 0, of: 5) == [0] && guided(1, 1, of: 5).isEmpty && guided(0.5, 0.5, of: 1) == [0])
  }

  /// A render that is put down between guided and unguided steps ends in the same bytes.
  @Test func isResumed() throws {
    let setting = try #require(try GoldenPicture.list("guidance").first { $0.model == "all-3x2" })
    let renderer = Renderer(model: try setting.load(), pass: ForwardPass(compute: Compute(threads: 2)))
    let (request, seal) = (try setting.request(), SealingKey())
    var whole = try renderer.begin(request)
    var states: [[UInt8]] = []
    repeat {
      states.append(renderer.resumeState(whole, of: request, seal: seal))
    } while try renderer.advance(&whole)
    for state in states {
      var resumed = try renderer.begin(request)
      #expect(try renderer.restore(&resumed, from: state, of: request, seal: seal))
      while try renderer.advance(&resumed) {}
      #expect(resumed.latents.values == whole.latents.values)
    }
  }
}
