extension SchedulerConfiguration {
  /// Training timesteps to visit, noisiest first, computed as numpy does.
  /// - Parameters:
  ///   - steps: how many.
  ///   - spacing: how they are chosen.
  ///   - last: how many training steps to spread over, counted from the least noisy; all by default.
  ///   - beyond: whether even spacings are made for one step more, whose end is then left out. The multistep solvers
  ///     do this, so that they never visit timestep 0.
  /// - Throws: `DiffusionError.setting` for more steps than there are timesteps.
  func timesteps(_ steps: Int, _ spacing: Spacing, last: Int? = nil, beyond: Bool = false) throws -> [Int] {
    let last = last ?? trainingSteps
    let first = beyond ? 1 : 0
    let places = steps + first
    let times: [Int]
    switch spacing {
    case .leading:
      times = (first..<places).reversed().map { $0 * (last / places) + (stepsOffset ?? 0) }
    case .linspace:
      let ratio = places > 1 ? Double(last - 1) / Double(places - 1) : 0
      times = (first..<places).reversed().map { Int((Double($0) * ratio).rounded(.toNearestOrEven)) }
    case .trailing:
      times = trailing(steps, last: last)
    }
    // Only the offset can lead outside the training steps.
    guard times.allSatisfy({ (0..<trainingSteps).contains($0) }) else {
      throw DiffusionError.setting(
        name: "steps", value: "\(steps)",
        allowed: "fewer than \(trainingSteps) with this model's steps_offset \(stepsOffset ?? 0)")
    }
    return times
  }

  /// Like `timesteps`, but without rounding: methods that work on sigmas can use timesteps between the trained ones.
  func continuousTimesteps(_ steps: Int, _ spacing: Spacing) throws -> [Float] {
    guard spacing == .linspace else { return try timesteps(steps, spacing).map { Float($0) } }
    guard steps > 1 else { return [0] }
    let ratio = Double(trainingSteps - 1) / Double(steps - 1)
    return (0..<steps).reversed().map { Float(Double($0) * ratio) }
  }

  /// numpy's `arange(last, 0, -ratio)`, rounded, minus 1.
  private func trailing(_ steps: Int, last: Int) -> [Int] {
    let ratio = Double(trainingSteps) / Double(steps)
    let count = Int((Double(last) / ratio).rounded(.up))
    // numpy's increment is the rounded difference of its first two values. That decides how halves are rounded.
    let stride = (Double(last) - ratio) - Double(last)
    // Rounding can add one timestep more than asked, −1 (for 61 steps of 1000). The reference calls the UNet with it;
    // here it is left out.
    return (0..<min(count, steps)).map {
      Int((Double(last) + Double($0) * stride).rounded(.toNearestOrEven)) - 1
    }
  }
}
