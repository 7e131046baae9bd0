import Checkpoints
import Diffusion
import Foundation
import Requests
import Tensors
import GoldenModels
import TestSupport
import Testing

/// A golden trace of a sampling method (`scheduler_traces.py`, `samplers.py`): what it was asked for.
struct SchedulerTrace: Decodable {
  let name: String
  let scheduler: String
  let steps: Int
  let seed: UInt64
  let timesteps: [Float]
  // The decoder has turned snake case to camel case by then.
  let initNoiseSigma: Float

  /// The traces' configurations as our reader sees them, in the order of the traces.
  static func configurations(_ file: String) throws -> [ConfigObject] {
    guard case .array(let entries) = try JSONValue(contentsOf: Places.golden(file), purpose: "test") else {
      throw CocoaError(.fileReadCorruptFile)
    }
    return try entries.map { entry in
      guard case .object(let values) = entry else { throw CocoaError(.fileReadCorruptFile) }
      return try #require(try ConfigObject(path: "trace", values: values).objectIfPresent("config"))
    }
  }

  /// The samples after each call, on a model output that both engines compute.
  /// - Parameters:
  ///   - scheduler: as it is before the first step.
  ///   - fixed: what the output adds to half of its input.
  ///   - resume: whether a new sampler takes over with the old one's memory before each call.
  func samples(_ scheduler: any Scheduler, fixed: Tensor, resume: Bool = false) -> [Tensor] {
    var scheduler = scheduler
    let fresh = scheduler
    var noise = TorchNoise(seed: seed)
    let first = noise.latents(channels: 4, height: 2, width: 4)
    var sample = combine(scheduler.initialSigma, first, 0, first)
    return scheduler.timesteps.indices.map { step in
      if resume {
        let history = scheduler.history
        scheduler = fresh
        scheduler.history = history
      }
      let output = combine(0.5, scheduler.scaled(sample, step: step), 1, fixed)
      sample = scheduler.step(step, output: output, sample: sample) {
        noise.latents(channels: 4, height: 2, width: 4)
      }
      return sample
    }
  }

  /// The largest error of samples against golden ones; infinite for NaN.
  static func error(_ samples: [Tensor], _ golden: Tensor) -> Double {
    samples.enumerated().map { index, sample in
      let error = relativeError(sample, golden.image(index).reshaped([1, 4, 2, 4]).channelsLast)
      return error.isNaN ? .infinity : error
    }.max() ?? .infinity
  }
}
