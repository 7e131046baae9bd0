import Tensors

/// Which sampling method, by the name people ask for it.
package enum SchedulerName: String, Sendable, CaseIterable {
  case ddpm, ddim, pndm, lms, heun, euler
  case eulerAncestral = "euler_a"
  case dpmpp2M = "dpmpp_2m"
  case dpmpp2MKarras = "dpmpp_2m_karras"
  case dpmpp2MSDEKarras = "dpmpp_2m_sde_karras"
  case unipc, lcm

  /// The methods that are built.
  package static let built: [SchedulerName] = [.ddpm, .ddim, .euler]

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

  /// A sampler of this kind for a number of steps.
  /// - Throws: `DiffusionError.unsupported` for methods that are not built yet,
  ///   `DiffusionError.setting` for a step count that the method cannot take.
  package func scheduler(_ configuration: SchedulerConfiguration, steps: Int) throws -> any Scheduler {
    guard steps >= 1, steps <= configuration.trainingSteps else {
      throw DiffusionError.setting(
        name: "steps", value: "\(steps)", allowed: "1...\(configuration.trainingSteps)")
    }
    let offset = configuration.stepsOffset ?? 0
    guard configuration.spacing != .linspace, configuration.spacing != .trailing else {
      return try method(configuration, steps: steps)
    }
    // Leading spacing puts the first step at ratio·(steps − 1) + offset.
    guard configuration.trainingSteps / steps * (steps - 1) + offset < configuration.trainingSteps else {
      throw DiffusionError.setting(
        name: "steps", value: "\(steps)",
        allowed: "fewer than \(configuration.trainingSteps) with this model's steps_offset \(offset)")
    }
    return try method(configuration, steps: steps)
  }

  private func method(_ configuration: SchedulerConfiguration, steps: Int) throws -> any Scheduler {
    switch self {
    case .ddpm: return DDPMScheduler(configuration, steps: steps)
    case .ddim: return DDIMScheduler(configuration, steps: steps)
    case .euler: return EulerScheduler(configuration, steps: steps)
    default:
      throw DiffusionError.unsupported(
        file: "scheduler", key: rawValue, value: "(choose ddpm, ddim or euler)")
    }
  }
}

/// A sampling method at work: the timesteps of one render and what to do at each.
package protocol Scheduler: Sendable {
  /// What the UNet is told at each step, noisiest first.
  var timesteps: [Float] { get }
  /// The deviation of the noise that a render starts from.
  var initialSigma: Float { get }
  /// What the method remembers of earlier steps, for checkpoints. A method that remembers anything must
  /// give and take it here; by default there is nothing.
  var history: SamplerHistory { get set }
  /// What the UNet is shown of a sample at a step.
  func scaled(_ sample: Tensor, step: Int) -> Tensor
  /// The next, less noisy sample.
  /// - Parameters:
  ///   - output: the UNet's prediction, guidance applied; same shape as `sample`.
  ///   - noise: gives fresh noise of the sample's shape; called only by methods that add some, in
  ///     the reference's order.
  mutating func step(_ index: Int, output: Tensor, sample: Tensor, noise: () -> Tensor) -> Tensor
}

extension Scheduler {
  package func scaled(_ sample: Tensor, step: Int) -> Tensor { sample }
}

extension SchedulerConfiguration {
  /// Training timesteps to visit, noisiest first, as numpy computes them for DDPM and DDIM.
  /// - Parameter fallback: the spacing that the method has where the file names none.
  func timesteps(_ steps: Int, fallback: Spacing) -> [Int] {
    switch spacing ?? fallback {
    case .leading:
      let ratio = trainingSteps / steps
      return (0..<steps).reversed().map { $0 * ratio + (stepsOffset ?? 0) }
    case .linspace:
      guard steps > 1 else { return [0] }
      return (0..<steps).reversed().map {
        Int((Double($0) * (Double(trainingSteps - 1) / Double(steps - 1))).rounded(.toNearestOrEven))
      }
    case .trailing:
      let ratio = Double(trainingSteps) / Double(steps)
      // numpy's arange counts like this; rounding can make it one more than asked.
      return (0..<Int((Double(trainingSteps) / ratio).rounded(.up))).map {
        Int((Double(trainingSteps) - Double($0) * ratio).rounded(.toNearestOrEven)) - 1
      }
    }
  }

  /// The clean image and the noise that a prediction implies at a noise level.
  func denoised(_ output: Tensor, sample: Tensor, alphaProduct: Float) -> (image: Tensor, noise: Tensor) {
    let (a, b) = (alphaProduct.squareRoot(), (1 - alphaProduct).squareRoot())
    switch prediction {
    case .epsilon:
      return (combine(1 / a, sample, -b / a, output), output)
    case .sample:
      return (output, combine(1 / b, sample, -a / b, output))
    case .velocity:
      return (combine(a, sample, -b, output), combine(a, output, b, sample))
    }
  }
}

/// a·x + b·y, element by element.
func combine(_ a: Float, _ x: Tensor, _ b: Float, _ y: Tensor) -> Tensor {
  Tensor(shape: x.shape) { result in
    x.withUnsafe { x in
      y.withUnsafe { y in
        for index in x.indices { result[index] = a * x[index] + b * y[index] }
      }
    }
  }
}

extension Tensor {
  /// Every element within ±limit.
  func clipped(_ limit: Float) -> Tensor {
    Tensor(shape: shape) { result in
      withUnsafe { x in for index in x.indices { result[index] = max(-limit, min(limit, x[index])) } }
    }
  }
}
