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
  /// - Parameter model: what is known of the model.
  package func idleSettings(with model: ModelTraits) -> [IdleSetting] {
    let isXL = model.isXL
    var idle: [IdleSetting] = []
    if let reason = unguided(by: model) {
      if negativePrompt?.isEmpty == false {
        idle.append(IdleSetting(setting: "negative_prompt", reason: reason))
      }
      if guidanceRescale != 0 { idle.append(IdleSetting(setting: "guidance_rescale", reason: reason)) }
      if guidanceFrom != 0 { idle.append(IdleSetting(setting: "guidance_from", reason: reason)) }
      if guidanceUntil != 1 { idle.append(IdleSetting(setting: "guidance_until", reason: reason)) }
    }
    if let deepCache, deepCache.interval > 1, isOneCall {
      idle.append(IdleSetting(setting: "deep_cache", reason: "a single step always runs as a whole"))
    }
    if let reason = unmerged(by: model) {
      idle.append(IdleSetting(setting: "token_merging", reason: reason))
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

  /// Why no row without the prompt runs; nil if one does.
  private func unguided(by model: ModelTraits) -> String? {
    if model.takesGuidance == true {
      return "the model takes guidance as an input, and computes nothing without the prompt"
    }
    return guidance <= 1 ? "guidance of 1 or less turns guidance off" : nil
  }

  /// Whether the UNet is called once, whatever the method. From a starting picture, PNDM calls it twice for one step, and
  /// may be the model's own method.
  private var isOneCall: Bool {
    guard initImage != nil, let scheduler, scheduler != .pndm else { return steps == 1 }
    return Self.takenSteps(of: steps, strength: strength ?? Self.defaultStrength) == 1
  }

  /// Why no tokens are merged; nil if some are.
  private func unmerged(by model: ModelTraits) -> String? {
    guard let tokenMerging, tokenMerging.ratio > 0 else { return nil }
    // SDXL attends at half of the full size at most, unless its file says otherwise.
    guard let shrinks = model.attentionShrinks ?? (model.isXL == true ? 2 : nil),
      shrinks > tokenMerging.downsample
    else { return nil }
    let most = "the model has attention at 1/\(shrinks) of the size at most"
    return TokenMerging.downsamples.contains(shrinks) ? most + "; add :\(shrinks)" : most
  }
}
