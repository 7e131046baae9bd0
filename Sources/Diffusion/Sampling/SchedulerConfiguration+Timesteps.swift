import Requests

extension SchedulerConfiguration {
  /// Training timesteps to visit, noisiest first, computed as numpy does; if a request lists them, those.
  /// - Parameters:
  ///   - steps: how many.
  ///   - spacing: how they are chosen.
  ///   - last: how many training steps to spread over, counted from the least noisy; all by default.
  ///   - beyond: whether even spacings are made for one step more, whose end is then left out. The multistep solvers
  ///     do this, so that they never visit timestep 0.
  /// - Throws: `DiffusionError.setting` for more steps than there are timesteps.
  func timesteps(_ steps: Int, _ spacing: Spacing, last: Int? = nil, beyond: Bool = false) throws -> [Int] {
    if let listed = try checkedList() { return listed }
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
    guard spacing == .linspace, listedTimesteps == nil else {
      return try timesteps(steps, spacing).map { Float($0) }
    }
    guard steps > 1 else { return [0] }
    let ratio = Double(trainingSteps - 1) / Double(steps - 1)
    return (0..<steps).reversed().map { Float(Double($0) * ratio) }
  }

  /// Evenly spaced entries of the schedule that a consistency model was distilled on, noisiest first.
  /// - Throws: `DiffusionError` for more steps than the model was distilled on.
  func distilledTimesteps(_ steps: Int) throws -> [Int] {
    if let listed = try checkedList() { return listed }
    let (trained, distilled) = (trainingSteps, distilledSteps)
    guard distilled <= trained else {
      throw DiffusionError.unsupported(
        file: "scheduler", key: "original_inference_steps", value: "\(distilled)")
    }
    guard steps <= distilled else {
      throw DiffusionError.setting(
        name: "steps", value: "\(steps)", allowed: "1...\(distilled) with scheduler lcm or tcd")
    }
    return (0..<steps).map { step in
      let place = Int(Double(step) * (Double(distilled) / Double(steps)))
      return (distilled - place) * (trained / distilled) - 1
    }
  }

  /// The timesteps that a request lists, if it does.
  /// - Throws: `RequestError.invalid` for timesteps that the model was not trained on.
  private func checkedList() throws -> [Int]? {
    guard let listed = listedTimesteps, let first = listed.max(), first >= trainingSteps else {
      return listedTimesteps
    }
    throw RequestError.invalid(
      setting: "timesteps", value: "\(first)", rule: "use 0 to \(trainingSteps - 1) with this model")
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
