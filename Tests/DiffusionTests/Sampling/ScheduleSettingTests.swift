import Checkpoints
import Diffusion
import Foundation
import Requests
import Tensors
import GoldenModels
import TestSupport
import Testing

/// What a golden was asked for besides its method (`samplers.py`).
struct AskedSchedule: Decodable {
  let sigmas: String?
  let eta: Double?
  let timesteps: [Int]?
  let sigmaList: [Double]?

  /// Asks a request for the same.
  func ask(_ request: inout RenderRequest) {
    request.sigmas = sigmas.flatMap(SigmaName.init(rawValue:))
    request.eta = eta
    request.timesteps = timesteps.map { NumberList($0) }
    request.sigmaList = sigmaList.map { NumberList($0) }
  }
}

/// Schedules that a request asks for, over every method that diffusers allows them for, step by step against the
/// genuine ones (`samplers.py`).
@Suite struct ScheduleSettingTests {
  private func scheduler(_ trace: SchedulerTrace, _ config: ConfigObject) throws -> any Scheduler {
    let name = try #require(SchedulerName(rawValue: trace.scheduler))
    var request = RenderRequest(model: "m", prompt: "p")
    (request.scheduler, request.steps) = (name, trace.steps)
    try #require(trace.settings).ask(&request)
    try request.validate()
    var configuration = try SchedulerConfiguration(config)
    configuration.follow(request, isXL: false)
    return try name.method.scheduler(configuration, steps: trace.steps)
  }

  @Test func traces() throws {
    try SchedulerTrace.expect(
      file: "numbers/schedules", moreThan: 120, isWhole: false, scheduler: scheduler,
      times: { trace, config, time in
        let isShaped = trace.settings?.sigmas != nil || trace.settings?.sigmaList != nil
        return SamplerTests.time(time, config, isShaped: isShaped)
      },
      bound: { trace, _ in SamplerTests.bound(trace.scheduler) })
  }

  /// Every pair that is allowed renders, every other is refused by name, before and after the method is known.
  @Test func everyPairIsRenderedOrRefused() throws {
    let configuration = try SchedulerConfiguration(ConfigObject(path: "trace", values: [:]))
    for name in SchedulerName.allCases {
      for sigmas in SigmaName.allCases {
        var request = RenderRequest(model: "m", prompt: "p")
        (request.sigmas, request.steps) = (sigmas, 10)
        try request.validate()
        request.scheduler = name
        if name.sigmas.contains(sigmas) {
          try request.validate()
          var asked = configuration
          asked.follow(request, isXL: true)
          #expect(try name.method.scheduler(asked, steps: 10).timesteps.count >= 10)
        } else {
          let error = #expect(throws: RequestError.self) { try request.validate() }
          #expect("\(String(describing: error))".contains(sigmas.rawValue))
          #expect(throws: RequestError.self) { try request.checkSchedule(with: name) }
        }
      }
    }
  }

  @Test func timestepsBeyondTheModelAreRefused() throws {
    var configuration = try SchedulerConfiguration(ConfigObject(path: "trace", values: [:]))
    var request = RenderRequest(model: "m", prompt: "p")
    request.timesteps = NumberList([1000, 3])
    configuration.follow(request, isXL: false)
    for name in SchedulerName.allCases where name.takesTimesteps {
      #expect(throws: RequestError.self) { try name.method.scheduler(configuration, steps: 2) }
    }
  }

  /// A schedule with steps of its own says how many; a text of it is the list again.
  @Test func listsSayTheSteps() throws {
    var draft = RequestDraft()
    try draft.read("timesteps", "999, 500,3")
    #expect(draft.request.steps == 3 && draft.request.timesteps?.text == "999,500,3")
    try draft.read("steps", "4")
    #expect(draft.request.steps == 4)
    let json = #"{"sigma_list": [14.6, 1, 0], "scheduler": "euler"}"#
    let request = try JSONDecoder().decode(RenderRequest.self, from: Data(json.utf8))
    #expect(request.steps == 2 && request.sigmaList?.numbers == [14.6, 1, 0])
    let again = try JSONDecoder().decode(RenderRequest.self, from: JSONEncoder().encode(request))
    #expect(again == request)
    for (name, text) in [("sigma_list", "3"), ("timesteps", "-1")] {
      var short = RequestDraft()
      try short.read("model", "m")
      try short.read(name, text)
      let error = #expect(throws: RequestError.self) { try short.request.validate() }
      #expect(error?.setting == name)
    }
    draft = RequestDraft()
    try draft.read("sigmas", "ays")
    #expect(draft.request.steps == 10)
    for name in SigmaName.allCases {
      #expect(SigmaName(text: name.label) == name && SigmaName(text: name.rawValue.uppercased()) == name)
    }
  }
}
