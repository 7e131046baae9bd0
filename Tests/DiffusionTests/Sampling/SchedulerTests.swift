import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Requests
import Tensors
import TestSupport
import Testing

/// Every sampling method step by step against the genuine one, on a model output that both compute.
@Suite struct SchedulerTests {
  struct Trace: Decodable {
    let name: String
    let scheduler: String
    let steps: Int
    let seed: UInt64
    let timesteps: [Float]
    let initNoiseSigma: Float
  }

  /// The traces' configurations as our reader sees them.
  private func configurations() throws -> [ConfigObject] {
    guard
      case .array(let entries) = try JSONValue(
        contentsOf: Places.golden("numbers/schedulers.json"), purpose: "test")
    else { return [] }
    return try entries.map { entry in
      guard case .object(let values) = entry else { throw CocoaError(.fileReadCorruptFile) }
      return try #require(try ConfigObject(path: "trace", values: values).objectIfPresent("config"))
    }
  }

  @Test func traces() throws {
    let traces: [Trace] = try Golden.decode("numbers/schedulers.json")
    let configurations = try configurations()
    let golden = try Golden.tensors("numbers/schedulers.safetensors")
    let fixed = try golden["fixed"].channelsLast
    #expect(traces.count > 90)
    for (trace, config) in zip(traces, configurations) {
      let configuration = try SchedulerConfiguration(config)
      var scheduler = try #require(SchedulerName(rawValue: trace.scheduler)).method.scheduler(
        configuration, steps: trace.steps)
      let note = "\(trace.name) \(trace.scheduler) \(config.values)"
      #expect(scheduler.timesteps.count == trace.timesteps.count, "\(note)")
      for (ours, theirs) in zip(scheduler.timesteps, trace.timesteps) {
        #expect(abs(ours - theirs) < 1e-3, "\(note): timestep \(ours) for \(theirs)")
      }
      #expect(abs(scheduler.initialSigma / trace.initNoiseSigma - 1) < 1e-5, "\(note)")
      var noise = TorchNoise(seed: trace.seed)
      let first = noise.latents(channels: 4, height: 2, width: 4)
      var sample = Tensor(shape: first.shape, values: first.values.map { $0 * scheduler.initialSigma })
      let samples = try golden["\(trace.name).samples"]
      for step in scheduler.timesteps.indices {
        let seen = scheduler.scaled(sample, step: step).values
        let output = Tensor(
          shape: sample.shape, values: zip(seen, fixed.values).map { 0.5 * $0 + $1 })
        sample = scheduler.step(step, output: output, sample: sample) {
          noise.latents(channels: 4, height: 2, width: 4)
        }
        let expected = samples.image(step).reshaped([1, 4, 2, 4]).channelsLast
        let error = relativeError(sample, expected)
        #expect(error < 2e-5, "\(note): step \(step), relative error \(error)")
      }
    }
  }

  struct Choice: Decodable {
    struct Made: Decodable { let timestepsOf5: [Float] }
    let label: String
    let ddpm: Made
    let ddim: Made
    let euler: Made
    let own: Made?
  }

  /// What a scheduler's file becomes when a pipeline loads it and another method is chosen by name.
  @Test func choices() throws {
    let choices: [Choice] = try Golden.decode("numbers/scheduler-choices.json")
    guard
      case .array(let entries) = try JSONValue(
        contentsOf: Places.golden("numbers/scheduler-choices.json"), purpose: "test")
    else { throw CocoaError(.fileReadCorruptFile) }
    for (choice, entry) in zip(choices, entries) {
      guard case .object(let values) = entry else { continue }
      let file: ConfigObject
      if case .object(let written)? = values["file"] {
        file = ConfigObject(path: choice.label, values: written)
      } else {
        file = try ConfigObject(
          contentsOf: Places.golden("merges/all-3x2/scheduler/scheduler_config.json"))
      }
      let configuration = try SchedulerConfiguration(file)
      for (name, made) in [("ddpm", choice.ddpm), ("ddim", choice.ddim), ("euler", choice.euler)] {
        let scheduler = try #require(SchedulerName(rawValue: name)).method.scheduler(
          configuration.forStableDiffusion(ownMethod: false), steps: 5)
        for (ours, theirs) in zip(scheduler.timesteps, made.timestepsOf5) {
          #expect(abs(ours - theirs) < 1e-3, "\(choice.label) \(name)")
        }
        guard case .object(let shown)? = values[name], case .object(let config)? = shown["config"] else {
          continue
        }
        let named = configuration.forStableDiffusion(ownMethod: false)
        if name != "euler" {
          #expect(config["clip_sample"] == .bool(named.clipSample ?? true), "\(choice.label) \(name)")
        }
        #expect(config["steps_offset"] == .integer(named.stepsOffset ?? 0), "\(choice.label) \(name)")
      }
      if let own = choice.own {
        let scheduler = try SchedulerName(own: configuration).method.scheduler(
          configuration.forStableDiffusion(ownMethod: true), steps: 5)
        #expect(scheduler.timesteps == own.timestepsOf5, "\(choice.label) own")
      }
    }
  }

  @Test func unknownNameListsTheKnown() {
    var draft = RequestDraft()
    let known = SchedulerName.allCases.map(\.rawValue).joined(separator: ", ")
    #expect(
      throws: RequestError.invalid(setting: "scheduler", value: "'dpm adaptive'", rule: "use one of \(known)")
    ) { try draft.read("scheduler", "dpm adaptive") }
  }
}
