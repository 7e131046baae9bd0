import Experts
import Foundation
import Tensors
import Testing

@testable import Diffusion

/// A render that is put down after any step and taken up elsewhere ends in the same bytes.
@Suite struct CheckpointTests {
  private func request(_ scheduler: SchedulerName) -> RenderRequest {
    RenderRequest(
      prompt: "a red fox", width: 64, height: 64, steps: 6, guidance: 3, scheduler: scheduler, seed: 7)
  }

  private func renderer() throws -> Renderer {
    Renderer(model: try Golden.ModelParts("base").load(), pass: ForwardPass(compute: Compute(threads: 2)))
  }

  /// Every method there is: one that remembers something but doesn't say so fails here.
  @Test(arguments: SchedulerName.allCases) func anyStepOfAnyMethod(scheduler: SchedulerName) throws {
    let renderer = try renderer()
    let request = request(scheduler)
    var undisturbed = try renderer.begin(request)
    var checkpoints: [[UInt8]] = []
    repeat {
      checkpoints.append(renderer.checkpoint(undisturbed, of: request))
    } while try renderer.advance(&undisturbed)
    let wanted = undisturbed.latents.values
    for (number, checkpoint) in checkpoints.enumerated() {
      var resumed = try renderer.begin(request)
      #expect(renderer.restore(&resumed, from: checkpoint, of: request))
      #expect(number == 0 || resumed.step > 0)
      while try renderer.advance(&resumed) {}
      #expect(resumed.latents.values == wanted, "\(scheduler) from checkpoint \(number)")
    }
  }

  @Test func othersAreRefused() throws {
    let renderer = try renderer()
    let request = request(.ddpm)
    var denoising = try renderer.begin(request)
    _ = try renderer.advance(&denoising)
    let checkpoint = renderer.checkpoint(denoising, of: request)
    var fresh = try renderer.begin(request)
    for change: (inout RenderRequest) -> Void in [
      { $0.prompt += "." }, { $0.seed += 1 }, { $0.guidance += 0.5 }, { $0.scheduler = .ddim },
      { $0.scheduler = nil }, { $0.steps += 1 }, { $0.negativePrompt = "x" },
    ] {
      var other = request
      change(&other)
      #expect(!renderer.restore(&fresh, from: checkpoint, of: other), "\(other)")
    }
    let another = Renderer(model: try Golden.ModelParts("all-3x2").load(), pass: renderer.pass)
    #expect(!another.restore(&fresh, from: checkpoint, of: request))
    for length in [0, 1, 63, 64, 100, checkpoint.count - 1] {
      #expect(!renderer.restore(&fresh, from: Array(checkpoint.prefix(length)), of: request))
    }
    for place in stride(from: 0, to: checkpoint.count, by: 501) {
      var damaged = checkpoint
      damaged[place] ^= 4
      #expect(!renderer.restore(&fresh, from: damaged, of: request), "byte \(place)")
    }
    #expect(fresh.step == 0)
    #expect(renderer.restore(&fresh, from: checkpoint, of: request) && fresh.step == 1)
  }

  /// Both kinds of normal numbers, and the half of a pair that waits for the next draw.
  @Test func theNoiseStreamGoesOnWhereItWas() throws {
    var stream = TorchNoise(seed: 5)
    for count in [3, 16, 700, 1, 20] {
      _ = stream.normals(count)
      var copy = try #require(TorchNoise(state: stream.state))
      #expect(
        copy.normals(1000)
          == {
            var stream = stream; return stream.normals(1000)
          }())
      #expect(copy.normals(5).count == 5)
    }
    #expect(TorchNoise(state: .init(words: [], position: 0, spare: nil)) == nil)
    #expect(
      TorchNoise(state: .init(words: Array(repeating: 1, count: 624), position: 625, spare: nil)) == nil)
  }
}
