/// How a step from one noise level to the next is divided: first down below it, then up again by fresh noise.
struct AncestralStep {
  /// The level below.
  let down: Float
  /// The deviation of the fresh noise.
  let up: Float

  /// - Parameters:
  ///   - from: the step's noise level, above 0.
  ///   - to: the next one, lower.
  init(from: Float, to: Float) {
    up = (to * to * (from * from - to * to) / (from * from)).squareRoot()
    // If `from` is far larger, the difference may be rounded below 0.
    down = max(0, to * to - up * up).squareRoot()
  }
}
