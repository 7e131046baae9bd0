extension RenderRequest {
  /// Checks every setting, alone and together, as far as it can be checked without the model.
  /// - Throws: `RequestError.invalid` for the first that is wrong.
  package func validate(limits: RenderLimits = RenderLimits()) throws {
    for setting in Setting.all { try setting.check(self, limits) }
    try checkStartingPicture()
  }

  /// The settings of a starting picture need one, and leave at least one step to take.
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
        rule: "use at least \(1 / Double(steps)) with \(steps) steps")
    }
  }

  /// Steps that are taken of `steps` from a starting picture (diffusers' `get_timesteps`), in double as Python
  /// multiplies.
  package static func takenSteps(of steps: Int, strength: Double) -> Int {
    min(steps, Int(Double(steps) * strength))
  }
}
