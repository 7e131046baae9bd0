extension RenderRequest {
  /// Checks each setting, and settings that depend on each other. What depends on the model is checked later.
  /// - Throws: `RequestError.invalid` for the first wrong setting.
  package func validate(limits: RenderLimits = RenderLimits()) throws {
    for setting in Setting.all { try setting.check(self, limits) }
    guard guidanceFrom <= guidanceUntil else {
      throw RequestError.invalid(
        setting: "guidance_from", value: "\(guidanceFrom)",
        rule: "use at most guidance_until, which is \(guidanceUntil)")
    }
    try checkSchedule()
    try checkStartingPicture()
  }

  /// Checks a request that differs from one that was checked in its prompt and its seed alone, of which every one is right.
  /// - Throws: `RequestError.invalid`
  package func validatePrompt(limits: RenderLimits = RenderLimits()) throws {
    try Setting.named("prompt")?.check(self, limits)
  }

  /// Checks that there is a starting picture if its settings are given, and that at least one step is left.
  private func checkStartingPicture() throws {
    guard initImage != nil else {
      let alone = strength.map { ("strength", "\($0)") } ?? mask.map { ("mask", $0) }
      guard let (name, value) = alone else { return }
      throw RequestError.invalid(setting: name, value: value, rule: "it needs init_image")
    }
    let strength = strength ?? Self.defaultStrength
    guard Self.takenSteps(of: steps, strength: strength) > 0 else {
      throw RequestError.invalid(
        setting: "strength", value: "\(strength)",
        rule: "use at least \(Self.leastStrength(of: steps)) with \(steps) steps")
    }
  }

  /// The least strength of few digits that takes one step. 1 / 49 would not: 49 times that is rounded to less than 1.
  private static func leastStrength(of steps: Int) -> Double {
    let parts = 10_000.0
    let least = (parts / Double(steps)).rounded(.up)
    return (takenSteps(of: steps, strength: least / parts) > 0 ? least : least + 1) / parts
  }

  /// How many of `steps` are taken from a starting picture (diffusers' `get_timesteps`). Computed in double, as in
  /// Python.
  package static func takenSteps(of steps: Int, strength: Double) -> Int {
    min(steps, Int(Double(steps) * strength))
  }
}
