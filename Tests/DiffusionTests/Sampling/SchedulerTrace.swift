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
  /// What a request asks for besides the method.
  let settings: AskedSchedule?

  /// Holds every trace of a file to the genuine one: timesteps, the first sigma, and the samples, from end to end and
  /// when a new sampler takes over before each call.
  /// - Parameters:
  ///   - file: below the goldens, without an ending: the traces are in JSON, their tensors beside them.
  ///   - count: there are more traces than that.
  ///   - tensor: what follows a trace's name in the name of its tensor.
  ///   - isWhole: whether the tensor has every sample, and not only that in the middle and the last.
  ///   - scheduler: made for a trace and its configuration.
  ///   - times: the largest difference of a timestep, which the reference gives.
  ///   - bound: of the relative error of each sample.
  static func expect(
    file: String, moreThan count: Int, tensor: String = "", isWhole: Bool = true,
    scheduler: (SchedulerTrace, ConfigObject) throws -> any Scheduler = { try $0.sampler($1) },
    times: (SchedulerTrace, ConfigObject, Float) -> Float,
    bound: (SchedulerTrace, ConfigObject) -> Double
  ) throws {
    let traces: [SchedulerTrace] = try Golden.decode("\(file).json")
    let golden = try Golden.tensors("\(file).safetensors")
    let fixed = try golden["fixed"].channelsLast
    #expect(traces.count > count)
    var worst: [String: Double] = [:]
    for (trace, config) in zip(traces, try configurations("\(file).json")) {
      let asked = trace.settings.map { "\($0)" } ?? ""
      let note = "\(trace.name) \(trace.scheduler) \(trace.steps) \(asked) \(config.values)"
      let sampler = try scheduler(trace, config)
      try #require(sampler.timesteps.count == trace.timesteps.count, "\(note)")
      for (ours, theirs) in zip(sampler.timesteps, trace.timesteps) {
        #expect(
          abs(ours - theirs) <= times(trace, config, theirs),
          "\(note): \(sampler.timesteps) for \(trace.timesteps)")
      }
      #expect(abs(sampler.initialSigma / trace.initNoiseSigma - 1) < 1e-5, "\(note)")
      let samples = trace.samples(sampler, fixed: fixed)
      let kept = isWhole ? samples : [samples[samples.count / 2], samples[samples.count - 1]]
      let error = Self.error(kept, try golden[trace.name + tensor])
      #expect(error < bound(trace, config), "\(note): relative error \(error)")
      worst[trace.scheduler] = max(worst[trace.scheduler] ?? 0, error)
      let resumed = trace.samples(sampler, fixed: fixed, resume: true)
      #expect(resumed.map(\.values) == samples.map(\.values), "\(note): resumed from its history")
    }
    for (name, error) in worst.sorted(by: { $0.key < $1.key }) { print("\(file) \(name): worst \(error)") }
  }

  /// The method of its name, by its configuration.
  func sampler(_ config: ConfigObject) throws -> any Scheduler {
    try #require(SchedulerName(rawValue: scheduler)).method.scheduler(
      SchedulerConfiguration(config), steps: steps)
  }

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
