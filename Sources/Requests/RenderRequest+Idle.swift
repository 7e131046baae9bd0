extension RenderRequest {
  /// A setting that was given and changes nothing.
  package struct IdleSetting: Sendable, Equatable {
    /// As in `Setting.name`.
    package let setting: String
    /// Why it changes nothing.
    package let reason: String

    /// For a person.
    package var notice: String {
      "\(setting.split(separator: "_").joined(separator: " ")) has no effect: \(reason)"
    }
  }

  /// Settings that this request has and that change nothing: whoever gave them expects something else.
  /// - Parameter isXL: whether the model is of SDXL; nil: nobody knows yet.
  package func idleSettings(isXL: Bool?) -> [IdleSetting] {
    var idle: [IdleSetting] = []
    if guidance <= 1 {
      let reason = "guidance of 1 or less turns guidance off"
      if negativePrompt?.isEmpty == false {
        idle.append(IdleSetting(setting: "negative_prompt", reason: reason))
      }
      if guidanceRescale != 0 { idle.append(IdleSetting(setting: "guidance_rescale", reason: reason)) }
      if guidanceFrom != 0 { idle.append(IdleSetting(setting: "guidance_from", reason: reason)) }
      if guidanceUntil != 1 { idle.append(IdleSetting(setting: "guidance_until", reason: reason)) }
    }
    if isXL == true, tokenMerging?.downsample == 1 {
      idle.append(
        IdleSetting(
          setting: "token_merging", reason: "SDXL has no attention at full size; add :2 for half the size"))
    }
    if variationSeed != 0, variationStrength == 0 {
      idle.append(IdleSetting(setting: "variation_seed", reason: "the variation strength is 0"))
    }
    if isXL == false {
      let framing = [
        ("original_size", originalSize != nil), ("crop", crop != nil), ("target_size", targetSize != nil),
      ]
      for case (let name, true) in framing {
        idle.append(IdleSetting(setting: name, reason: "only models of SDXL know of it"))
      }
    }
    for token in embeddings.compactMap(\.token)
    where ![prompt, negativePrompt ?? ""].contains(where: { $0.lowercased().contains(token.lowercased()) }) {
      idle.append(IdleSetting(setting: "embeddings", reason: "no prompt has the token \(token)"))
    }
    return idle
  }
}
