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

/// The reduced precisions against f32: how far they may be off, and that they are as steady.
@Suite struct PrecisionTests {
  private let seal = SealingKey()

  static let models = ["base", "wide", "all-3x2", "ff-2x1", "attn-3x1"]

  /// One call of the denoiser: relative RMSE to the reference at most 0.02 in bf16, 0.045 in int8.
  @Test(arguments: models, [(Precision.bf16, 0.02), (.int8, 0.045)])
  func unetCall(_ name: String, _ bound: (precision: Precision, error: Double)) throws {
    let model = try Golden.ModelParts(name).load(precision: bound.precision)
    let golden = try Golden.tensors("numbers/unet-\(name).safetensors")
    let index: NetworkTests.Index = try Golden.decode("numbers/networks.json")
    let pass = ForwardPass(compute: Compute(threads: 2))
    var worst = 0.0
    for (label, call) in try #require(index.unet[name]).calls {
      let sample = try golden["\(label).sample"]
      let pair = try golden["states"]
      let context = try model.unet.prepare(sample.shape[0] == 1 ? pair.image(1) : pair, pass)
      let output = try model.unet(sample.channelsLast, timestep: call.timestep, text: context, pass)
      worst = max(worst, try relativeError(output.channelsFirst, golden["\(label).output"]))
    }
    #expect(worst > 1e-5 && worst <= bound.error, "\(name) in \(bound.precision): \(worst)")
    print("precision \(name) \(bound.precision): relative RMSE \(worst)")
  }

  /// The demo's own model at a step where hardly any noise is left, so that what the network predicts is small beside
  /// what goes through it. With shortcuts in int8 it was 0.11. At 256², self attention has enough tokens to be in int8, too.
  @Test(arguments: [(Precision.bf16, 64, 0.02), (.int8, 64, 0.045), (.int8, 256, 0.045)])
  func lastStepOfTheDemo(_ bound: (precision: Precision, size: Int, error: Double)) throws {
    let folder = Places.inRepository("demo/base")
    let request = PictureRequest(
      prompt: "red heart", width: bound.size, height: bound.size, steps: 12, guidance: 5)
    func probe(_ precision: Precision, _ latents: (Tensor, Tensor)?) throws -> PrecisionProbe {
      let model = try DiffusionModel(
        folder: ModelFolder(path: folder), cache: PartCache(), precision: precision)
      return try PrecisionProbe(
        Renderer(model: model, pass: ForwardPass(compute: Compute(threads: 2))), request, step: 11,
        latents: latents)
    }
    let exact = try probe(.f32, nil)
    let error = try relativeError(probe(bound.precision, exact.latents).noise, exact.noise)
    #expect(error > 1e-5 && error <= bound.error, "\(error)")
    print("precision demo \(bound.precision) at \(bound.size), last step: relative RMSE \(error)")
  }

  @Test(arguments: ["base", "wide"]) func decode(_ name: String) throws {
    let model = try Golden.ModelParts(name).load(precision: .bf16)
    let golden = try Golden.tensors("numbers/vae-\(name).safetensors")
    let index: NetworkTests.Index = try Golden.decode("numbers/networks.json")
    let factor = try #require(index.vae[name]).scalingFactor
    let latents = try golden["latents"]
    let scaled = Tensor(shape: latents.shape, values: latents.values.map { $0 * factor })
    let error = try relativeError(
      model.decoder(
        scaled.channelsLast, undoingNormalization: false, ForwardPass(compute: Compute(threads: 2))
      ).channelsFirst,
      golden["image"])
    #expect(error > 1e-5 && error <= 0.02, "\(error)")
  }

  private let request = PictureRequest(
    prompt: "a red fox", width: 64, height: 64, steps: 4, guidance: 3, scheduler: .euler, seed: 7)

  /// Neither threads nor the cache's budget show in the picture, in any precision.
  @Test(arguments: Precision.allCases) func sameBytes(_ precision: Precision) throws {
    let images = try [(1, Int.max), (2, 0), (5, 30_000)].map { threads, budget in
      let model = try Golden.ModelParts("all-3x2").load(
        cache: PartCache(budget: budget), precision: precision)
      return try Renderer(model: model, pass: ForwardPass(compute: Compute(threads: threads)))
        .render(request)
    }
    for image in images { #expect(image == images[0]) }
  }

  /// Put down after any step and taken up elsewhere: the same latents. Of another precision: refused.
  @Test(arguments: Precision.allCases) func resuming(_ precision: Precision) throws {
    func renderer(_ precision: Precision) throws -> Renderer {
      Renderer(
        model: try Golden.ModelParts("all-3x2").load(precision: precision),
        pass: ForwardPass(compute: Compute(threads: 2)))
    }
    let first = try renderer(precision)
    let second = try renderer(precision)
    var undisturbed = try first.begin(request)
    var checkpoints: [[UInt8]] = []
    repeat {
      checkpoints.append(first.resumeState(undisturbed, of: request, seal: seal))
    } while try first.advance(&undisturbed)
    for checkpoint in checkpoints {
      var resumed = try second.begin(request)
      #expect(try second.restore(&resumed, from: checkpoint, of: request, seal: seal))
      while try second.advance(&resumed) {}
      #expect(resumed.latents.values == undisturbed.latents.values)
    }
    for other in Precision.allCases where other != precision {
      let renderer = try renderer(other)
      var fresh = try renderer.begin(request)
      #expect(try !renderer.restore(&fresh, from: checkpoints[1], of: request, seal: seal))
    }
  }

  /// Experts in bf16 take half of what they take in f32, and the cache counts what they take.
  @Test func theCacheCountsPackedBytes() throws {
    var bytes: [Precision: Int] = [:]
    for precision in Precision.allCases {
      let cache = PartCache()
      let model = try Golden.ModelParts("all-3x2").load(cache: cache, precision: precision)
      let ledger = CacheLedger()
      _ = try Renderer(
        model: model, pass: ForwardPass(compute: Compute(threads: 2), ledger: ledger)
      ).render(request)
      #expect(cache.byteCount == ledger.counts.bytesLoaded)
      bytes[precision] = cache.byteCount
    }
    let (f32, bf16, int8) = try (
      #require(bytes[.f32]), #require(bytes[.bf16]), #require(bytes[.int8])
    )
    // The tiny model's widths are no multiples of 64: panels are padded.
    #expect(bf16 < f32 * 7 / 10 && int8 < bf16, "\(bytes)")
    print("precision: experts of all-3x2 take \(bytes)")
  }
}
