import Boundary
import Checkpoints
import Diffusion
import Foundation
import Fuzzing
import GoldenModels
import Requests
import Tensors
import Testing
import WeightCache

/// A render that is put down after any step and taken up elsewhere ends in the same bytes.
@Suite struct ResumeStateTests {
  private let seal = SealingKey()

  private func request(_ scheduler: SchedulerName) -> PictureRequest {
    PictureRequest(
      prompt: "a red fox", width: 64, height: 64, steps: 6, guidance: 3, scheduler: scheduler, seed: 7)
  }

  private func renderer() throws -> Renderer {
    Renderer(model: try Golden.ModelParts("base").load(), pass: ForwardPass(compute: Compute(threads: 2)))
  }

  /// Every method there is: one that remembers something but doesn't say so fails here.
  @Test(arguments: SchedulerName.allCases) func anyStepOfAnyMethod(scheduler: SchedulerName) throws {
    let renderer = try renderer()
    var request = request(scheduler)
    // The first noise is another than the seed's own; what later steps draw is not.
    (request.variationSeed, request.variationStrength) = (9, 0.3)
    var undisturbed = try renderer.begin(request)
    var states: [[UInt8]] = []
    repeat {
      states.append(renderer.resumeState(undisturbed, of: request, seal: seal))
    } while try renderer.advance(&undisturbed)
    let wanted = undisturbed.latents.values
    for (number, state) in states.enumerated() {
      var resumed = try renderer.begin(request)
      #expect(try renderer.restore(&resumed, from: state, of: request, seal: seal))
      #expect(number == 0 || resumed.step > 0)
      while try renderer.advance(&resumed) {}
      #expect(resumed.latents.values == wanted, "\(scheduler) from state \(number)")
    }
  }

  @Test func othersAreRefused() throws {
    let renderer = try renderer()
    let request = request(.ddpm)
    var denoising = try renderer.begin(request)
    _ = try renderer.advance(&denoising)
    let state = renderer.resumeState(denoising, of: request, seal: seal)
    var fresh = try renderer.begin(request)
    for change: (inout PictureRequest) -> Void in [
      { $0.prompt += "." }, { $0.seed += 1 }, { $0.guidance += 0.5 }, { $0.scheduler = .ddim },
      { $0.scheduler = nil }, { $0.steps += 1 }, { $0.negativePrompt = "x" }, { $0.variationStrength = 0.1 },
    ] {
      var other = request
      change(&other)
      #expect(try !renderer.restore(&fresh, from: state, of: other, seal: seal), "\(other)")
    }
    let another = Renderer(model: try Golden.ModelParts("all-3x2").load(), pass: renderer.pass)
    #expect(try !another.restore(&fresh, from: state, of: request, seal: seal))
    for length in [0, 1, 63, 64, 100, state.count - 1] {
      #expect(try !renderer.restore(&fresh, from: Array(state.prefix(length)), of: request, seal: seal))
    }
    for place in stride(from: 0, to: state.count, by: 501) {
      var damaged = state
      damaged[place] ^= 4
      #expect(try !renderer.restore(&fresh, from: damaged, of: request, seal: seal), "byte \(place)")
    }
    // Sealed by somebody else, by nobody, or by the SHA-256 that anybody can compute.
    let content = Array(state.dropLast(SealingKey.length))
    var digest = Digest()
    digest.add(content)
    for other in [
      renderer.resumeState(denoising, of: request, seal: SealingKey()), content,
      content + [UInt8](repeating: 0, count: SealingKey.length), content + Array(digest.hexadecimal().utf8),
    ] {
      #expect(try !renderer.restore(&fresh, from: other, of: request, seal: seal))
    }
    #expect(fresh.step == 0)
    #expect(try renderer.restore(&fresh, from: state, of: request, seal: seal) && fresh.step == 1)
  }

  /// Bytes that are sealed as they should be, with contents that no render of this request has.
  @Test(arguments: [
    SchedulerName.ddim, .lms, .pndm, .heun, .dpmpp2M, .unipc, .dpmpp2S, .kdpm2Ancestral, .saSolver,
  ])
  func contentsAreCheckedAgainstTheRequest(scheduler: SchedulerName) throws {
    let renderer = try renderer()
    let request = request(scheduler)
    var denoising = try renderer.begin(request)
    for _ in 0..<3 { _ = try renderer.advance(&denoising) }
    func isTaken(_ change: (inout ResumeState) -> Void) throws -> Bool {
      var (other, fresh) = (ResumeState(denoising), try renderer.begin(request))
      change(&other)
      let taken = try renderer.restore(
        &fresh, from: renderer.resumeState(other, of: request, seal: seal), of: request, seal: seal)
      #expect(taken || fresh.step == 0)
      return taken
    }
    #expect(try isTaken { _ in })
    let number = Tensor(shape: [1, 1, 1, 1])
    #expect(try !isTaken { $0.latents = number })
    #expect(try !isTaken { $0.latents.withUnsafeMutable { $0[5] = .nan } })
    #expect(try !isTaken { $0.step = denoising.steps + 1 })
    #expect(try !isTaken { $0.history.outputs.append(denoising.latents) })
    #expect(try !isTaken { $0.history.calls += 1 })
    #expect(try !isTaken { $0.history.calls = .max })
    #expect(try !isTaken { $0.history.order = -1 })
    #expect(try !isTaken { $0.history.noise = $0.history.noise == nil ? number : nil })
    #expect(try !isTaken { $0.history.sum = $0.history.sum == nil ? number : nil })
    if !ResumeState(denoising).history.outputs.isEmpty {
      #expect(try !isTaken { $0.history.outputs[0] = number })
      #expect(try !isTaken { $0.history.outputs.removeLast() })
    }
  }

  /// Any bytes at all, sealed as they should be: a render that is taken up ends.
  @Test(arguments: [SchedulerName.ddim, .lms, .pndm, .heun, .dpmpp2M, .unipc, .dpmpp2S, .dpmppSDE, .saSolver])
  func fuzzedResumeStatesAreTakenOrRefused(scheduler: SchedulerName) throws {
    let renderer = try renderer()
    let request = request(scheduler)
    var denoising = try renderer.begin(request)
    for _ in 0..<3 { _ = try renderer.advance(&denoising) }
    let good = renderer.resumeState(denoising, of: request, seal: seal).dropLast(SealingKey.length)
    // After magic and key; in half of the cases after the noise stream, which may be anything.
    let (afterKey, afterNoise) = (72, 72 + 4 + 4 + 4 * 624 + 12)
    _ = try FuzzRun("restore-\(scheduler.rawValue)", cases: 60) { number, numbers in
      var bytes = Array(good)
      numbers.mutate(&bytes, from: number % 2 == 0 ? afterKey : afterNoise)
      var fresh = try renderer.begin(request)
      if try renderer.restore(&fresh, from: bytes + seal.seal(of: bytes), of: request, seal: seal) {
        while try renderer.advance(&fresh) {}
        #expect(fresh.latents.shape == denoising.latents.shape)
      }
    }
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
