/// What may be asked of a method besides its name: what diffusers' class of it allows.
extension SchedulerName {
  /// The spacings of noise levels that the method can follow.
  package var sigmas: [SigmaName] {
    switch self {
    case .ddpm: [.uniform, .sgmUniform, .ays]
    case .ddim, .pndm, .eulerAncestral: [.uniform, .sgmUniform]
    case .heun, .euler, .dpmpp2M, .dpmpp2MSDE: SigmaName.allCases
    case .lms, .unipc, .deis, .kdpm2, .kdpm2Ancestral, .dpmppSDE, .saSolver:
      [.karras, .exponential, .beta, .uniform, .sgmUniform]
    case .dpmpp2S: [.karras, .exponential, .beta, .uniform, .ays]
    // Their names say it.
    case .dpmpp2MKarras, .dpmpp2MSDEKarras: [.karras]
    case .edmEuler, .edmDPMpp2M: [.karras, .exponential]
    case .lcm, .tcd: [.ays]
    case .ipndm: []
    }
  }

  /// Whether the timesteps can be listed.
  package var takesTimesteps: Bool { sigmas.contains(.ays) }

  /// Whether the noise levels can be listed.
  package var takesSigmaList: Bool { self == .euler }

  /// Whether `eta` means something.
  package var takesEta: Bool { self == .ddim || self == .tcd }

  /// `scheduler euler, heun or ddpm`: the methods with a property, for messages.
  static func those(_ isMeant: (SchedulerName) -> Bool) -> String {
    "scheduler " + choice(allCases.filter(isMeant).map(\.rawValue))
  }
}

/// `a, b or c`.
private func choice(_ words: [String]) -> String {
  guard let last = words.last, words.count > 1 else { return words.first ?? "" }
  return words.dropLast().joined(separator: ", ") + " or " + last
}

extension RenderRequest {
  /// Checks what is asked of the method besides its name.
  /// - Parameter scheduler: the method: the request's, or the model's own.
  /// - Throws: `RequestError.invalid`, which names what the method allows.
  package func checkSchedule(with scheduler: SchedulerName) throws {
    let name = "scheduler \(scheduler.rawValue)"
    if let sigmas, !scheduler.sigmas.contains(sigmas) {
      let allowed = choice(scheduler.sigmas.map(\.rawValue))
      throw RequestError.invalid(
        setting: "sigmas", value: sigmas.rawValue,
        rule: allowed.isEmpty ? "leave it out with \(name)" : "use \(allowed) with \(name)")
    }
    func require(_ name: String, _ value: String?, _ isTaken: (SchedulerName) -> Bool) throws {
      guard let value, !isTaken(scheduler) else { return }
      throw RequestError.invalid(
        setting: name, value: String(value.prefix(40)), rule: "use it with \(SchedulerName.those(isTaken))")
    }
    try require("timesteps", timesteps?.text, \.takesTimesteps)
    try require("sigma_list", sigmaList?.text, \.takesSigmaList)
    try require("eta", eta?.text, \.takesEta)
  }

  /// Whether it says which noise levels to visit.
  package var asksForSchedule: Bool { sigmas != nil || timesteps != nil || sigmaList != nil }

  /// Checks that the schedule is asked for in one way, and that the steps are as many as it has.
  func checkSchedule() throws {
    let ways = [
      ("sigmas", sigmas?.text), ("timesteps", timesteps?.text), ("sigma_list", sigmaList?.text),
    ].compactMap { name, text in text.map { (name: name, text: $0) } }
    if ways.count > 1 {
      throw RequestError.invalid(
        setting: ways[1].name, value: String(ways[1].text.prefix(40)),
        rule: "leave it out with \(ways[0].name)")
    }
    if let listed = listedSteps, listed != steps {
      throw RequestError.invalid(
        setting: "steps", value: "\(steps)",
        rule: "use \(listed) with these \(ways.first?.name ?? "timesteps"), or leave it out")
    }
    if let scheduler { try checkSchedule(with: scheduler) }
  }

  /// The number of steps that the schedule itself says; nil if it can have any.
  var listedSteps: Int? {
    // A list that is too short has a message of its own.
    if let timesteps { return timesteps.numbers.isEmpty ? nil : timesteps.numbers.count }
    if let sigmaList { return sigmaList.numbers.count < 2 ? nil : sigmaList.numbers.count - 1 }
    return sigmas == .ays ? AlignYourSteps.stableDiffusion.count : nil
  }
}
