import Requests
import Tensors

/// Work that a render leaves out in its calls of the UNet.
package struct RenderSavings: Sendable {
  /// Where the UNet is cut; nil: every call is whole.
  let cut: FeatureCut?
  /// Of so many calls one is whole.
  let interval: Int
  private let merging: TokenMerging?
  private let positions: Int
  private let seed: UInt64
  /// Numbers that a whole call with two rows draws for merging.
  var wholeDraws = 0
  /// Numbers that another call with two rows draws.
  var shallowDraws = 0

  /// - Parameters:
  ///   - request: what is rendered.
  ///   - configuration: of the UNet.
  ///   - positions: positions of the latents.
  /// - Throws: `RequestError.invalid` for a branch that the UNet does not have.
  init(_ request: PictureRequest, _ configuration: UNetConfiguration, positions: Int) throws {
    interval = request.deepCache?.interval ?? 1
    // In intervals of 1 every call is whole, and no map is kept.
    cut = try request.deepCache.flatMap { $0.interval > 1 ? try FeatureCut($0, in: configuration) : nil }
    merging = request.tokenMerging
    self.positions = positions
    seed = request.seed
  }

  /// What a call leaves out.
  /// - Parameters:
  ///   - feature: what the deep part gave earlier; nil: the call is whole.
  ///   - draws: numbers that were drawn for merging by the calls before.
  func call(feature: Tensor?, draws: Int = 0) -> CallSavings {
    var merger = merging.map { TokenMerger($0, positions: positions, seed: seed) }
    merger?.skip(draws)
    return CallSavings(cut: cut, feature: feature, merger: merger)
  }
}

/// What the last whole call of the UNet left for the calls after it.
struct DeepFeature: Sendable {
  /// The call's step.
  let step: Int
  /// The latents before that step: from them the map can be made anew.
  let latents: Tensor
  /// The map between the deep part and the outer one; nil after a resume, until it is needed.
  var map: Tensor? = nil
}

extension Denoising {
  /// Whether a step calls the UNet as a whole. It is the package's count: a call has the place of the first one with its
  /// timestep, so of two calls at one timestep (`heun`, `pndm`) both are whole or neither is. A call with another number
  /// of rows than the one before is whole, too.
  func isWhole(at step: Int) -> Bool {
    guard plan.savings.cut != nil, step > 0, guides(at: step) == guides(at: step - 1) else { return true }
    return (place(of: step) - place(of: 0)) % plan.savings.interval == 0
  }

  private func place(of step: Int) -> Int {
    let times = scheduler.timesteps
    return times.firstIndex(of: times[firstCall + step]) ?? step
  }

  /// The last step up to this one that calls the UNet as a whole.
  func lastWhole(upTo step: Int) -> Int {
    (0...step).last { isWhole(at: $0) } ?? 0
  }

  /// What a step's call leaves out.
  /// - Parameter feature: what the deep part gave earlier; nil: the call is whole.
  func savings(at step: Int, feature: Tensor?) -> CallSavings {
    let savings = plan.savings
    guard savings.wholeDraws > 0 else { return savings.call(feature: feature) }
    let draws = (0..<step).filter { guides(at: $0) }.reduce(0) {
      $0 + (isWhole(at: $1) ? savings.wholeDraws : savings.shallowDraws)
    }
    return savings.call(feature: feature, draws: draws)
  }

  /// Forgets the feature map before a call that makes another.
  mutating func forgetStaleFeature() {
    if !isDone, isWhole(at: step) { deep?.map = nil }
  }

  /// The same without what a resumed render makes anew.
  package var resting: Denoising {
    var copy = self
    copy.deep?.map = nil
    return copy
  }
}
