extension SchedulerConfiguration {
  /// Training timesteps to visit, noisiest first, as numpy computes them.
  /// - Parameters:
  ///   - last: the training steps to spread over, counted from the least noisy; all by default.
  ///   - beyond: whether the even spacings aim at one step more and leave out its end, as the
  ///     multistep solvers do: they never visit timestep 0.
  /// - Throws: `DiffusionError.setting` for more steps than there are places.
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
    // Only the offset can lead beyond the training steps.
    guard times.allSatisfy({ (0..<trainingSteps).contains($0) }) else {
      throw DiffusionError.setting(
        name: "steps", value: "\(steps)",
        allowed: "fewer than \(trainingSteps) with this model's steps_offset \(stepsOffset ?? 0)")
    }
    return times
  }

  /// As `timesteps`, but the even spacing is not rounded: the methods that work on sigmas take
  /// timesteps between the trained ones.
  func continuousTimesteps(_ steps: Int, _ spacing: Spacing) throws -> [Float] {
    guard spacing == .linspace else { return try timesteps(steps, spacing).map { Float($0) } }
    guard steps > 1 else { return [0] }
    let ratio = Double(trainingSteps - 1) / Double(steps - 1)
    return (0..<steps).reversed().map { Float(Double($0) * ratio) }
  }

  /// numpy's `arange(last, 0, -ratio)`, rounded, less one.
  private func trailing(_ steps: Int, last: Int) -> [Int] {
    let ratio = Double(trainingSteps) / Double(steps)
    let count = Int((Double(last) / ratio).rounded(.up))
    // numpy steps by the rounded difference of its first two values, which decides ties at one half.
    let stride = (Double(last) - ratio) - Double(last)
    // Rounding can make it one more than asked (61 steps of 1000), at timestep −1: the reference
    // would then ask the UNet about that; here it is left out.
    return (0..<min(count, steps)).map {
      Int((Double(last) + Double($0) * stride).rounded(.toNearestOrEven)) - 1
    }
  }
}
