/// How the noise levels of the steps are spaced: AUTOMATIC1111's "schedule type".
package enum SigmaName: String, CaseIterable, Sendable, Codable {
  /// Karras et al. (2022), equation 5.
  case karras
  /// Evenly spaced logarithms.
  case exponential
  /// Quantiles of a beta distribution (Lee et al., 2024).
  case beta
  /// The training schedule's levels at evenly spaced timesteps, from the last to the first (diffusers' `linspace`).
  case uniform
  /// The same, without the first (diffusers' `trailing`).
  case sgmUniform = "sgm_uniform"
  /// "Align Your Steps" (Sabour et al., 2024): the published timesteps.
  case ays

  /// AUTOMATIC1111's name.
  package var label: String {
    switch self {
    case .karras: "Karras"
    case .exponential: "Exponential"
    case .beta: "Beta"
    case .uniform: "Uniform"
    case .sgmUniform: "SGM Uniform"
    case .ays: "Align Your Steps"
    }
  }
}

extension SigmaName: WordForm {
  /// Reads a name in any spelling of this field.
  package init?(text: String) {
    let name = SchedulerSpelling.plain(text)
    guard let known = Self.allCases.first(where: { $0.spellings.contains(name) }) else { return nil }
    self = known
  }

  /// Our name, AUTOMATIC1111's and those of others, without case, spaces, dashes and underscores.
  var spellings: [String] {
    let others: [String] =
      switch self {
      // `normal` is ComfyUI's.
      case .uniform: ["linspace", "normal"]
      case .sgmUniform: ["trailing"]
      case .karras, .exponential, .beta, .ays: []
      }
    return ([rawValue, label] + others).map(SchedulerSpelling.plain)
  }

  /// - Throws: `DecodingError`
  package init(from decoder: any Decoder) throws {
    try self.init(textFrom: decoder)
  }
}

/// The timesteps of "Align Your Steps" (Sabour et al., 2024; diffusers' `AysSchedules`). There are lists of ten steps
/// only.
package enum AlignYourSteps {
  /// For Stable Diffusion 1 and 2.
  package static let stableDiffusion = [999, 850, 736, 645, 545, 455, 343, 233, 124, 24]
  /// For SDXL.
  package static let stableDiffusionXL = [999, 845, 730, 587, 443, 310, 193, 116, 53, 13]
}
