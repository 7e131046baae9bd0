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
  /// The bound of all traces, but for one kind where the reference's own 32 bits are not that good.
  private func bound(_ config: ConfigObject) -> Double {
    // UniPC's moments lose a digit at each order (differences of nearly equal numbers, divided by the
    // step), so at the fourth the reference's coefficients are themselves uncertain.
    if config.values["solver_order"] == .integer(4) { return 1e-4 }
    return 2e-5
  }

  @Test func traces() throws {
    try SchedulerTrace.expect(
      file: "numbers/schedulers-more", moreThan: 300,
      times: { trace, config, _ in
        // Where the reference cuts a timestep off that is whole but for rounding (the ends of shapes),
        // the last bit of numpy's 32-bit logarithm decides, which differs from machine to machine.
        let shaped = config.values.keys.contains { $0.hasPrefix("use_") }
        let cut = shaped || config.values["beta_schedule"] == .string("squaredcos_cap_v2")
        return cut && (trace.scheduler.hasPrefix("dpmpp") || trace.scheduler == "unipc") ? 1 : 2e-3
      },
      bound: { _, config in bound(config) })
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
    let plain = solver.merging(["algorithm_type": .string("sde-dpmsolver++")]) { $1 }
    #expect(try SchedulerName(own: configuration(plain)) == .dpmpp2MSDE)
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
      // What other programs call it is understood.
      #expect(SchedulerName(text: name.method.samplerName) == name)
      #expect(SchedulerName(text: name.method.className) == own)
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
    ("dpmpp_2m", ["algorithm_type": .string("data_prediction")]),
    ("dpmpp_2s", ["algorithm_type": .string("dpmsolver")]), ("dpmpp_2s", ["solver_order": .integer(4)]),
    ("dpmpp_2s", ["algorithm_type": .string("sde-dpmsolver")]),
    (
      "dpmpp_2s",
      [
        "algorithm_type": .string("dpmsolver"), "final_sigmas_type": .string("sigma_min"),
        "thresholding": .bool(true),
      ]
    ),
    ("deis", ["algorithm_type": .string("sde-dpmsolver++")]),
    (
      "deis",
      [
        "use_lu_lambdas": .bool(true),
        "use_beta_sigmas": .bool(true), "use_karras_sigmas": .bool(true),
      ]
    ),
    ("kdpm2", ["prediction_type": .string("sample")]), ("kdpm2_a", ["prediction_type": .string("sample")]),
    ("dpmpp_sde", ["prediction_type": .string("sample")]), ("dpmpp_sde", ["beta_schedule": .string("exp")]),
    ("sa_solver", ["algorithm_type": .string("dpmsolver++")]),
    ("sa_solver", ["algorithm_type": .string("noise_prediction"), "thresholding": .bool(true)]),
    ("edm_euler", ["prediction_type": .string("sample")]),
    ("edm_dpmpp_2m", ["prediction_type": .string("sample")]),
    ("edm_dpmpp_2m", ["algorithm_type": .string("dpmsolver"), "final_sigmas_type": .string("sigma_min")]),
    ("edm_dpmpp_2m", ["algorithm_type": .string("sde-dpmsolver++"), "solver_order": .integer(3)]),
    ("tcd", ["original_inference_steps": .integer(2000)]),
    ("ipndm", ["trained_betas": .array(Array(repeating: .number(0.01), count: 1000))]),
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
    ["sigma_schedule": .string("magic")], ["sigma_data": .integer(0)], ["rho": .integer(-7)],
    ["noise_sampler_seed": .integer(-1)], ["tau_func": .string("lambda t: 1")],
    ["predictor_order": .integer(5)], ["corrector_order": .integer(0)],
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
