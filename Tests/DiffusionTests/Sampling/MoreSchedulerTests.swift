import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Requests
import Tensors
import TestSupport
import Testing

/// The methods and settings that came later, step by step against the genuine ones, and what is refused.
@Suite struct MoreSchedulerTests {
  struct Trace: Decodable {
    let name: String
    let scheduler: String
    let steps: Int
    let seed: UInt64
    let timesteps: [Float]
    let initialSigma: Float

    enum CodingKeys: String, CodingKey {
      case name, scheduler, steps, seed, timesteps
      // The decoder has turned snake case to camel case by then.
      case initialSigma = "initNoiseSigma"
    }
  }

  private func configurations() throws -> [ConfigObject] {
    guard
      case .array(let entries) = try JSONValue(
        contentsOf: Places.golden("numbers/schedulers-more.json"), purpose: "test")
    else { throw CocoaError(.fileReadCorruptFile) }
    return try entries.map { entry in
      guard case .object(let values) = entry else { throw CocoaError(.fileReadCorruptFile) }
      return try #require(try ConfigObject(path: "trace", values: values).objectIfPresent("config"))
    }
  }

  /// Every sample of a trace; the largest error of any step.
  private func run(
    _ scheduler: any Scheduler, _ trace: Trace, fixed: Tensor, expected: Tensor, resume: Bool = false
  ) -> Double {
    var scheduler = scheduler
    var noise = TorchNoise(seed: trace.seed)
    let first = noise.latents(channels: 4, height: 2, width: 4)
    var sample = combine(scheduler.initialSigma, first, 0, first)
    var worst = 0.0
    let fresh = scheduler
    for step in scheduler.timesteps.indices {
      if resume {
        // A new sampler with the old one's memory goes on where that was.
        let history = scheduler.history
        scheduler = fresh
        scheduler.history = history
      }
      let seen = scheduler.scaled(sample, step: step)
      let output = combine(0.5, seen, 1, fixed)
      sample = scheduler.step(step, output: output, sample: sample) {
        noise.latents(channels: 4, height: 2, width: 4)
      }
      let golden = expected.image(step).reshaped([1, 4, 2, 4]).channelsLast
      let error = relativeError(sample, golden)
      worst = error.isNaN ? .infinity : max(worst, error)
    }
    return worst
  }

  /// The bound of all traces, but for one kind where the reference's own 32 bits are not that good.
  private func bound(_ config: ConfigObject) -> Double {
    // UniPC's moments lose a digit at each order (differences of nearly equal numbers, divided by the
    // step), so at the fourth the reference's coefficients are themselves uncertain.
    if config.values["solver_order"] == .integer(4) { return 1e-4 }
    return 2e-5
  }

  @Test func traces() throws {
    let traces: [Trace] = try Golden.decode("numbers/schedulers-more.json")
    let golden = try Golden.tensors("numbers/schedulers-more.safetensors")
    let fixed = try golden["fixed"].channelsLast
    #expect(traces.count > 300)
    var worst: [String: Double] = [:]
    for (trace, config) in zip(traces, try configurations()) {
      let name = try #require(SchedulerName(rawValue: trace.scheduler))
      let scheduler = try name.method.scheduler(SchedulerConfiguration(config), steps: trace.steps)
      let note = "\(trace.name) \(trace.scheduler) \(trace.steps) \(config.values)"
      #expect(scheduler.timesteps.count == trace.timesteps.count, "\(note)")
      // Where the reference cuts a timestep off that is whole but for rounding (the ends of shapes),
      // the last bit of numpy's 32-bit logarithm decides, which differs from machine to machine.
      let shaped = config.values.keys.contains { $0.hasPrefix("use_") }
      let cut = shaped || config.values["beta_schedule"] == .string("squaredcos_cap_v2")
      for (ours, theirs) in zip(scheduler.timesteps, trace.timesteps) {
        let whole = cut && (trace.scheduler.hasPrefix("dpmpp") || trace.scheduler == "unipc")
        #expect(
          abs(ours - theirs) <= (whole ? 1 : 2e-3), "\(note): \(scheduler.timesteps) for \(trace.timesteps)")
      }
      #expect(abs(scheduler.initialSigma / trace.initialSigma - 1) < 1e-5, "\(note)")
      let error = run(scheduler, trace, fixed: fixed, expected: try golden[trace.name])
      #expect(error < bound(config), "\(note): relative error \(error)")
      worst[trace.scheduler] = max(worst[trace.scheduler] ?? 0, error)
      let resumed = run(scheduler, trace, fixed: fixed, expected: try golden[trace.name], resume: true)
      #expect(resumed == error, "\(note): resumed from its history")
    }
    for (name, error) in worst.sorted(by: { $0.key < $1.key }) { print("scheduler \(name): worst \(error)") }
  }

  private func configuration(_ values: [String: JSONValue]) throws -> SchedulerConfiguration {
    try SchedulerConfiguration(ConfigObject(path: "scheduler_config.json", values: values))
  }

  @Test func ownMethodByClassAndSettings() throws {
    let solver: [String: JSONValue] = ["_class_name": .string("DPMSolverMultistepScheduler")]
    let karras = solver.merging(["use_karras_sigmas": .bool(true)]) { $1 }
    let stochastic = karras.merging(["algorithm_type": .string("sde-dpmsolver++")]) { $1 }
    #expect(try SchedulerName(own: configuration(solver)) == .dpmpp2M)
    #expect(try SchedulerName(own: configuration(karras)) == .dpmpp2MKarras)
    #expect(try SchedulerName(own: configuration(stochastic)) == .dpmpp2MSDEKarras)
  }

  @Test func everyMethodMeansItself() throws {
    let names = SchedulerName.allCases.map(\.method.samplerName)
    #expect(Set(names).count == names.count)
    #expect(SchedulerName.eulerAncestral.method.samplerName == "Euler a")
    for name in SchedulerName.allCases {
      // Of the methods that share a class, a bare file means the first.
      let own = try SchedulerName(own: configuration(["_class_name": .string(name.method.className)]))
      #expect(own.method.className == name.method.className)
      #expect(own == SchedulerName.allCases.first { $0.method.className == name.method.className })
    }
  }

  @Test(arguments: [
    ("lms", ["beta_schedule": JSONValue.string("exp")]),
    ("pndm", ["prediction_type": .string("sample")]),
    ("euler_a", ["prediction_type": .string("sample")]),
    ("dpmpp_2m", ["solver_order": .integer(4)]),
    ("dpmpp_2m", ["algorithm_type": .string("dpmsolver")]),
    ("dpmpp_2m_karras", ["use_beta_sigmas": .bool(true)]),
    ("unipc", ["predict_x0": .bool(false)]),
    ("unipc", ["lower_order_final": .bool(false)]),
    ("lcm", ["original_inference_steps": .integer(2000)]),
    ("lcm", ["rescale_betas_zero_snr": .bool(true), "original_inference_steps": .integer(1000)]),
    ("heun", ["trained_betas": .array(Array(repeating: .integer(1), count: 1000))]),
    ("dpmpp_2m", ["num_train_timesteps": .integer(1)]),
  ])
  func refused(name: String, settings: [String: JSONValue]) throws {
    let configuration = try configuration(settings)
    #expect(throws: DiffusionError.self, "\(name) \(settings)") {
      try #require(SchedulerName(rawValue: name)).method.scheduler(configuration, steps: 1)
    }
  }

  @Test(arguments: [
    ["beta_schedule": JSONValue.string("laplace")], ["solver_type": .string("magic")],
    ["algorithm_type": .string("magic")], ["final_sigmas_type": .string("magic")],
    ["sigma_min": .integer(-1)], ["lambda_min_clipped": .number(.nan)],
    ["thresholding": .bool(true), "dynamic_thresholding_ratio": .integer(2)],
    ["use_flow_sigmas": .bool(true)], ["prediction_type": .string("flow_prediction")],
  ])
  func refusedAtLoad(settings: [String: JSONValue]) {
    #expect(throws: (any Error).self, "\(settings)") { try configuration(settings) }
  }

  /// No step count and no spacing crashes: each is sampled or refused.
  @Test func everyStepCount() throws {
    let flat = Tensor(shape: [1, 1, 1, 4], values: [0.1, -0.2, 0.3, -0.4])
    for name in SchedulerName.allCases {
      for spacing in ["leading", "linspace", "trailing"] {
        for trained in [2, 7, 61, 200] {
          for offset in [0, 1, 5] {
            let configuration = try configuration([
              "timestep_spacing": .string(spacing), "num_train_timesteps": .integer(trained),
              "steps_offset": .integer(offset), "skip_prk_steps": .bool(offset != 1),
            ])
            for steps in [1, 2, 3, 4, 5, 59, 60, 61, 122, 199, 200, 201] {
              do {
                var scheduler = try name.method.scheduler(configuration, steps: steps)
                var sample = flat
                for step in scheduler.timesteps.indices {
                  let output = combine(0.5, scheduler.scaled(sample, step: step), 0, flat)
                  sample = scheduler.step(step, output: output, sample: sample) { flat }
                }
                #expect(sample.isFinite, "\(name) \(spacing) \(trained) \(offset) \(steps)")
              } catch let error where error is DiffusionError || error is RequestError {
                continue
              }
            }
          }
        }
      }
    }
  }
}
