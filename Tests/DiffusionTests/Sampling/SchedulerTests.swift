import Checkpoints
import Diffusion
import Foundation
import GoldenModels
import Requests
import TestSupport
import Testing

/// Every sampling method step by step against the genuine one, on a model output that both compute.
@Suite struct SchedulerTests {
  @Test func traces() throws {
    try SchedulerTrace.expect(
      file: "numbers/schedulers", moreThan: 90, tensor: ".samples",
      times: { _, _, _ in Float(1e-3).nextDown }, bound: { _, _ in 2e-5 })
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
