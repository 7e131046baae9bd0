import Synchronization

/// What this daemon's previews cost. The next one, of any picture, will probably cost as much.
package final class PreviewCosts: Sendable {
  private struct State {
    /// Seconds of the last decoded preview, by its operations.
    var decoded: [Int: Double] = [:]
    /// Seconds of rendering since the last decoded preview.
    var saved = 0.0
  }

  /// Of a preview that is sums of latents.
  let sums = CheckpointCost(estimate: 0.0025)
  private let state = Mutex(State())

  package init() {}

  /// Notes what a decoded preview took.
  /// - Parameters:
  ///   - seconds: with encoding and storing it.
  ///   - operations: of its decoder.
  package func note(seconds: Double, of operations: Int) {
    state.withLock { $0.decoded[operations] = seconds }
  }

  /// Seconds of the last one of so many operations; nil: there was none.
  func decoded(_ operations: Int) -> Double? { state.withLock { $0.decoded[operations] } }

  fileprivate func save(_ seconds: Double) { state.withLock { $0.saved = max(0, seconds) } }

  fileprivate func takeSaved() -> Double {
    state.withLock { state in
      defer { state.saved = 0 }
      return state.saved
    }
  }
}

/// When to make the next preview of a picture, and of which kind: so rarely that all of them take less than their share
/// of the time. Decoded ones look better and cost more. Until the first one is due, sums of latents are shown; after
/// it they would be a step back.
package struct PreviewPace: Sendable {
  /// How a preview is made.
  package enum Kind: Sendable {
    /// Weighted sums of the latents.
    case sums
    /// By a tiny autoencoder.
    case decoded
  }

  private let costs: PreviewCosts
  /// Of a decoded preview; nil: none is decoded.
  private var operations: Int?
  private var sums: CheckpointPace
  private var decoded: CheckpointPace
  private let decodedCost = CheckpointCost()
  private var decodedAt: Double
  private var hasDecoded = false

  /// - Parameters:
  ///   - costs: of this daemon.
  ///   - operations: of a decoded preview; nil: none is decoded.
  ///   - step: the step at which the render began or was resumed.
  ///   - now: seconds, as `CheckpointPace.now`.
  package init(
    costs: PreviewCosts, decoding operations: Int?, from step: Int, now: Double = CheckpointPace.now
  ) {
    self.costs = costs
    self.operations = operations
    sums = CheckpointPace(steps: nil, cost: costs.sums, from: step, share: .preview, now: now)
    // Short pictures save for one among them, which would never be due otherwise.
    decodedAt = now - (operations == nil ? 0 : costs.takeSaved())
    decoded = CheckpointPace(steps: nil, cost: decodedCost, from: step, share: .preview, now: decodedAt)
  }

  /// Which preview is due; nil: none is.
  /// - Parameters:
  ///   - step: steps that are done.
  ///   - pictures: at work together.
  ///   - speed: operations in a second, as rendering has them; nil: it is not known yet. What the first decoded preview
  ///     will cost is reckoned by it.
  ///   - now: seconds, as `CheckpointPace.now`.
  package func due(
    at step: Int, among pictures: Int = 1, speed: Double?, now: Double = CheckpointPace.now
  ) -> Kind? {
    if let operations {
      costs.save(now - decodedAt)
      // Small layers, and weights that are read first, have half the speed.
      if let seconds = costs.decoded(operations) ?? speed.map({ 2 * Double(operations) / $0 }) {
        decodedCost.seconds = seconds
        if decoded.isDue(at: step, among: pictures, now: now) { return .decoded }
      }
      if hasDecoded { return nil }
    }
    return sums.isDue(at: step, among: pictures, now: now) ? .sums : nil
  }

  /// Notes that one was made, or handed over to be made.
  /// - Parameters:
  ///   - kind: how.
  ///   - step: at which it was made.
  ///   - now: seconds, as `CheckpointPace.now`.
  package mutating func made(_ kind: Kind, at step: Int, now: Double = CheckpointPace.now) {
    guard kind == .decoded else { return sums.made(at: step, now: now) }
    hasDecoded = true
    decodedAt = now
    decoded.made(at: step, now: now)
    costs.save(0)
  }

  /// Goes on with sums, because it cannot be decoded. The next picture does not try it at once.
  package mutating func stopDecoding() {
    (operations, hasDecoded) = (nil, false)
    costs.save(0)
  }
}
