/// Which sampling method, by the name people ask for it.
package enum SchedulerName: String, Sendable, CaseIterable {
  case ddpm, ddim, pndm, lms, heun, euler
  case eulerAncestral = "euler_a"
  case dpmpp2M = "dpmpp_2m"
  case dpmpp2MKarras = "dpmpp_2m_karras"
  case dpmpp2MSDEKarras = "dpmpp_2m_sde_karras"
  case unipc, lcm

  /// The methods that are built.
  package static let built: [SchedulerName] = allCases

  /// - Throws: `DiffusionError.unknownScheduler`, listing the names there are.
  package init(named name: String) throws {
    guard let known = SchedulerName(rawValue: name) else {
      throw DiffusionError.unknownScheduler(name: name, known: Self.allCases.map(\.rawValue))
    }
    self = known
  }

  /// The method that a model's own scheduler file names.
  /// - Throws: `DiffusionError.unknownScheduler`.
  package init(className: String) throws {
    switch className {
    case "DDPMScheduler": self = .ddpm
    case "DDIMScheduler": self = .ddim
    case "PNDMScheduler": self = .pndm
    case "LMSDiscreteScheduler": self = .lms
    case "HeunDiscreteScheduler": self = .heun
    case "EulerDiscreteScheduler": self = .euler
    case "EulerAncestralDiscreteScheduler": self = .eulerAncestral
    case "DPMSolverMultistepScheduler": self = .dpmpp2M
    case "UniPCMultistepScheduler": self = .unipc
    case "LCMScheduler": self = .lcm
    default:
      throw DiffusionError.unknownScheduler(name: className, known: Self.allCases.map(\.rawValue))
    }
  }

  /// The method that a model's scheduler file names: its class and, for DPM-Solver, its settings.
  /// - Throws: `DiffusionError.unknownScheduler`.
  package init(own configuration: SchedulerConfiguration) throws {
    self = try SchedulerName(className: configuration.className)
    guard self == .dpmpp2M, configuration.sigmas.shapes.contains(.karras) else { return }
    self = configuration.solver.algorithm == .stochasticImage ? .dpmpp2MSDEKarras : .dpmpp2MKarras
  }

  /// A sampler of this kind for a number of steps.
  /// - Throws: `DiffusionError.unsupported` for settings that the method does not have,
  ///   `DiffusionError.setting` for a step count that it cannot take.
  package func scheduler(_ configuration: SchedulerConfiguration, steps: Int) throws -> any Scheduler {
    guard steps >= 1, steps <= configuration.trainingSteps else {
      throw DiffusionError.setting(
        name: "steps", value: "\(steps)", allowed: "1...\(configuration.trainingSteps)")
    }
    switch self {
    case .ddpm: return try DDPMScheduler(configuration, steps: steps)
    case .ddim: return try DDIMScheduler(configuration, steps: steps)
    case .pndm: return try PNDMScheduler(configuration, steps: steps)
    case .lms: return try LMSScheduler(configuration, steps: steps)
    case .heun: return try HeunScheduler(configuration, steps: steps)
    case .euler: return try EulerScheduler(configuration, steps: steps)
    case .eulerAncestral: return try EulerAncestralScheduler(configuration, steps: steps)
    case .dpmpp2M: return try DPMSolverScheduler(configuration, steps: steps)
    case .dpmpp2MKarras: return try DPMSolverScheduler(configuration.withKarrasSigmas, steps: steps)
    case .dpmpp2MSDEKarras:
      var stochastic = configuration.withKarrasSigmas
      stochastic.solver.algorithm = .stochasticImage
      return try DPMSolverScheduler(stochastic, steps: steps)
    case .unipc: return try UniPCScheduler(configuration, steps: steps)
    case .lcm: return try LCMScheduler(configuration, steps: steps)
    }
  }
}

extension SchedulerConfiguration {
  /// As if by `from_config(config, use_karras_sigmas=True)`.
  fileprivate var withKarrasSigmas: SchedulerConfiguration {
    var copy = self
    copy.sigmas.shapes.insert(.karras)
    return copy
  }
}
