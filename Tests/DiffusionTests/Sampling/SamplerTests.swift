import Checkpoints
import Diffusion
import Foundation
import Requests
import Tensors
import GoldenModels
import TestSupport
import Testing

/// The methods that came last, in every kind of prediction, spacing and shape that diffusers' classes accept, step by
/// step against the genuine ones (`samplers.py`).
@Suite struct SamplerTests {
  /// The bound of all traces, but of the one method where the reference is itself uncertain. It takes times of the
  /// Brownian motion by way of 32-bit logarithms and rounds them to six decimals; the last bit of its logarithms,
  /// which differs from machine to machine, decides the sixth decimal. The motion itself is exact
  /// (`BrownianTreeTests`).
  static func bound(_ name: String) -> Double { name == "dpmpp_sde" ? 1e-3 : 2e-5 }

  @Test func traces() throws {
    try SchedulerTrace.expect(
      file: "numbers/samplers", moreThan: 500, isWhole: false, times: { Self.time($2, $1) },
      bound: { trace, _ in Self.bound(trace.scheduler) })
  }

  /// The largest difference of a timestep. The solvers cut the timesteps of a shape to whole numbers; the last bit of
  /// numpy's 32-bit logarithm decides.
  static func time(_ time: Float, _ config: ConfigObject, isShaped: Bool = false) -> Float {
    let shaped = config.values.contains { $0.key.hasPrefix("use_") && $0.value == .bool(true) }
    let cut = isShaped || shaped || config.values["beta_schedule"] == .string("squaredcos_cap_v2")
    return cut && time == time.rounded() ? 1 : 2e-3
  }

  /// A planted error is far outside of the bound: another order, another seed of the motion, another middle.
  @Test func sensitive() throws {
    let file = "numbers/samplers.json"
    let traces: [SchedulerTrace] = try Golden.decode(file)
    let golden = try Golden.tensors("numbers/samplers.safetensors")
    let fixed = try golden["fixed"].channelsLast
    func error(_ name: SchedulerName, as other: SchedulerName, _ changes: [String: JSONValue] = [:]) throws
      -> Double
    {
      let place = try #require(traces.firstIndex { $0.scheduler == name.rawValue && $0.steps == 7 })
      let trace = traces[place]
      var config = try SchedulerTrace.configurations(file)[place]
      config = ConfigObject(path: "trace", values: config.values.merging(changes) { $1 })
      let scheduler = try other.method.scheduler(SchedulerConfiguration(config), steps: 7)
      let samples = trace.samples(scheduler, fixed: fixed)
      return SchedulerTrace.error(
        Array(samples.suffix(1)), try golden[trace.name].image(1).reshaped([1, 4, 2, 4]))
    }
    #expect(try error(.kdpm2, as: .kdpm2) < 2e-5)
    #expect(try error(.deis, as: .deis, ["solver_order": .integer(1)]) > 1e-3)
    #expect(try error(.dpmpp2S, as: .dpmpp2S, ["solver_type": .string("heun")]) > 1e-3)
    #expect(try error(.dpmppSDE, as: .dpmppSDE, ["noise_sampler_seed": .integer(8)]) > 1e-1)
    #expect(try error(.saSolver, as: .saSolver, ["corrector_order": .integer(1)]) > 1e-3)
    #expect(try error(.kdpm2, as: .heun) > 1e-3)
  }

  /// From this much noise the way down is rounded to 0. The reference ends in NaN.
  @Test func noiseWithoutEndIsRefused() throws {
    let config = ConfigObject(path: "trace", values: ["beta_schedule": .string("squaredcos_cap_v2")])
    #expect(throws: DiffusionError.self) {
      try SchedulerName.kdpm2Ancestral.method.scheduler(SchedulerConfiguration(config), steps: 6)
    }
  }
}
