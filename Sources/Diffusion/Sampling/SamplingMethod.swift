import Checkpoints
import Requests

/// A sampling method: its names elsewhere, which scheduler files mean it, and how to make its scheduler.
package struct SamplingMethod: Sendable {
  /// Name of diffusers' class.
  package let className: String
  /// AUTOMATIC1111's name.
  package let samplerName: String
  /// Whether a scheduler file of the class means this method. Several methods may share one class.
  let isMeant: @Sendable (SchedulerConfiguration) -> Bool
  private let make: @Sendable (SchedulerConfiguration, Int) throws -> any Scheduler

  init(
    _ className: String, a1111 samplerName: String,
    if isMeant: @escaping @Sendable (SchedulerConfiguration) -> Bool = { _ in true },
    _ make: @escaping @Sendable (SchedulerConfiguration, Int) throws -> any Scheduler
  ) {
    self.className = className
    self.samplerName = samplerName
    self.isMeant = isMeant
    self.make = make
  }

  /// The method's scheduler for a number of steps.
  /// - Throws: `DiffusionError.unsupported` for settings that the method does not support,
  ///   `RequestError.invalid` for a step count that it cannot take.
  package func scheduler(_ configuration: SchedulerConfiguration, steps: Int) throws -> any Scheduler {
    guard steps >= 1, steps <= configuration.trainingSteps else {
      throw RequestError.invalid(
        setting: "steps", value: "\(steps)", rule: "use 1 to \(configuration.trainingSteps) with this model")
    }
    return try make(configuration, steps)
  }
}

extension SchedulerName {
  /// The registry of sampling methods. A new method is a file with its `Scheduler`, a case of `SchedulerName`, and a
  /// row here.
  package var method: SamplingMethod {
    switch self {
    case .ddpm: .init("DDPMScheduler", a1111: "DDPM", DDPMScheduler.init)
    case .ddim: .init("DDIMScheduler", a1111: "DDIM", DDIMScheduler.init)
    case .pndm: .init("PNDMScheduler", a1111: "PLMS", PNDMScheduler.init)
    case .lms: .init("LMSDiscreteScheduler", a1111: "LMS", LMSScheduler.init)
    case .heun: .init("HeunDiscreteScheduler", a1111: "Heun", HeunScheduler.init)
    case .euler: .init("EulerDiscreteScheduler", a1111: "Euler", EulerScheduler.init)
    case .eulerAncestral:
      .init("EulerAncestralDiscreteScheduler", a1111: "Euler a", EulerAncestralScheduler.init)
    case .dpmpp2M: .init("DPMSolverMultistepScheduler", a1111: "DPM++ 2M", DPMSolverScheduler.init)
    case .dpmpp2MKarras:
      .init("DPMSolverMultistepScheduler", a1111: "DPM++ 2M Karras", if: \.hasKarrasSigmas) {
        try DPMSolverScheduler($0.withKarrasSigmas, steps: $1)
      }
    case .dpmpp2MSDE:
      .init("DPMSolverMultistepScheduler", a1111: "DPM++ 2M SDE", if: \.isStochastic) {
        try DPMSolverScheduler($0.with(.stochasticImage), steps: $1)
      }
    case .dpmpp2MSDEKarras:
      .init(
        "DPMSolverMultistepScheduler", a1111: "DPM++ 2M SDE Karras",
        if: { $0.hasKarrasSigmas && $0.isStochastic }
      ) {
        try DPMSolverScheduler($0.withKarrasSigmas.with(.stochasticImage), steps: $1)
      }
    case .dpmpp2S: .init("DPMSolverSinglestepScheduler", a1111: "DPM++ 2S", DPMSolverSingleStepScheduler.init)
    case .dpmppSDE: .init("DPMSolverSDEScheduler", a1111: "DPM++ SDE", DPMSolverSDEScheduler.init)
    case .deis: .init("DEISMultistepScheduler", a1111: "DEIS", DEISScheduler.init)
    case .kdpm2:
      .init("KDPM2DiscreteScheduler", a1111: "DPM2") {
        try KDPM2Scheduler($0, steps: $1, isAncestral: false)
      }
    case .kdpm2Ancestral:
      .init("KDPM2AncestralDiscreteScheduler", a1111: "DPM2 a") {
        try KDPM2Scheduler($0, steps: $1, isAncestral: true)
      }
    case .saSolver: .init("SASolverScheduler", a1111: "SA Solver", SASolverScheduler.init)
    case .edmEuler: .init("EDMEulerScheduler", a1111: "EDM Euler", EDMEulerScheduler.init)
    case .edmDPMpp2M:
      .init("EDMDPMSolverMultistepScheduler", a1111: "EDM DPM++ 2M", EDMDPMSolverScheduler.init)
    case .ipndm: .init("IPNDMScheduler", a1111: "IPNDM", IPNDMScheduler.init)
    case .unipc: .init("UniPCMultistepScheduler", a1111: "UniPC", UniPCScheduler.init)
    case .lcm: .init("LCMScheduler", a1111: "LCM", LCMScheduler.init)
    case .tcd: .init("TCDScheduler", a1111: "TCD", TCDScheduler.init)
    }
  }

  /// The method that a model's scheduler file means: of the methods of its class, the last one whose settings match.
  /// - Throws: `DiffusionError.unknownScheduler`.
  package init(own configuration: SchedulerConfiguration) throws {
    let known = Self.allCases.last {
      $0.method.className == configuration.className && $0.method.isMeant(configuration)
    }
    guard let known else {
      throw DiffusionError.unknownScheduler(
        name: configuration.className, known: Self.allCases.map(\.rawValue))
    }
    self = known
  }
}

extension SchedulerConfiguration {
  /// Reads a model's scheduler file. Its class must be one that has a method here.
  /// - Throws: `CheckpointError` from the file, `DiffusionError.unsupported` for anything that no scheduler here can
  ///   do.
  package init(_ config: ConfigObject) throws {
    try self.init(config, classes: Set(SchedulerName.allCases.map(\.method.className)))
  }

  fileprivate var hasKarrasSigmas: Bool { sigmas.shapes.contains(.karras) }
  fileprivate var isStochastic: Bool { solver.algorithm == .stochasticImage }

  /// Like diffusers' `from_config(config, use_karras_sigmas=True)`.
  fileprivate var withKarrasSigmas: SchedulerConfiguration {
    var copy = self
    copy.sigmas.shapes.insert(.karras)
    return copy
  }

  /// Like diffusers' `from_config(config, algorithm_type=…)`.
  fileprivate func with(_ algorithm: SolverSettings.Algorithm) -> SchedulerConfiguration {
    var copy = self
    copy.solver.algorithm = algorithm
    return copy
  }
}
