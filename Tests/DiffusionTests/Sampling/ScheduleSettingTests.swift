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

  private static let spellings: [(String, SigmaName)] = [
    ("linspace", .uniform), ("Normal", .uniform), ("trailing", .sgmUniform), ("align_your_steps", .ays),
  ]

  /// Names of AUTOMATIC1111 before 1.9 and of InvokeAI, which say a method and a schedule in one.
  @Test(
    arguments: [
      ("DPM++ SDE Karras", SchedulerName.dpmppSDE, SigmaName.karras), ("LMS Karras", .lms, .karras),
      ("DPM2 Karras", .kdpm2, .karras), ("DPM2 a Karras", .kdpm2Ancestral, .karras),
      ("DPM++ 2M SDE Exponential", .dpmpp2MSDE, .exponential), ("dpmpp_2s_k", .dpmpp2S, .karras),
      ("kdpm_2_a_k", .kdpm2Ancestral, .karras), ("unipc_k", .unipc, .karras),
      ("euler_sgm_uniform", .euler, .sgmUniform),
      ("DPM++ SDE (GPU)", nil, nil), ("DPM++ 2M Karras", .dpmpp2MKarras, nil),
      ("dpmpp_2m_sde_gpu", .dpmpp2MSDE, nil),
      ("uni_pc_bh2", .unipc, nil),
    ] as [(String, SchedulerName?, SigmaName?)])
  func fusedNames(_ text: String, scheduler: SchedulerName?, sigmas: SigmaName?) throws {
    var draft = RequestDraft()
    guard let scheduler else {
      #expect(throws: RequestError.self) { try draft.read("scheduler", text) }
      return
    }
    try draft.read("scheduler", text)
    #expect(draft.request.scheduler == scheduler && draft.request.sigmas == sigmas)
    #expect(draft.given.contains("sigmas") == (sigmas != nil))
    let json = Data(#"{"scheduler": "\#(text)"}"#.utf8)
    #expect(try JSONDecoder().decode(RenderRequest.self, from: json) == draft.request)
  }

  /// Whichever comes first, a schedule that is given by itself goes before that of a name.
  @Test func theScheduleByItselfCounts() throws {
    for order in [["scheduler", "sigmas"], ["sigmas", "scheduler"]] {
      var draft = RequestDraft()
      for name in order { try draft.read(name, name == "sigmas" ? "beta" : "DPM++ SDE Karras") }
      #expect(draft.request.scheduler == .dpmppSDE && draft.request.sigmas == .beta)
    }
    var rest = RequestDraft()
    try rest.read("sigmas", "beta")
    var line = RequestDraft()
    try line.read("scheduler", "LMS Karras")
    #expect(line.over(rest).request.sigmas == .karras)
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
    for (text, name) in Self.spellings { #expect(SigmaName(text: text) == name, "\(text)") }
    for name in SigmaName.allCases {
      #expect(SigmaName(text: name.label) == name && SigmaName(text: name.rawValue.uppercased()) == name)
    }
  }
}
