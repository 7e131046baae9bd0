import Tensors
import WeightCache

/// Renders with one model that go together, one step of all at a time. Each part of the model is read once for all of
/// them. Each picture is the same as if it were rendered alone, to the bit.
package struct RenderGroup: Sendable {
  /// Identifies a render of the group. A handle is never used again.
  package struct Handle: Hashable, Sendable {
    fileprivate let number: Int
  }

  private struct Member {
    let handle: Handle
    let renderer: Renderer
    var denoising: Denoising
  }

  /// In the order in which they were added.
  private var members: [Member] = []
  private var handlesGiven = 0

  package init() {}

  package var isEmpty: Bool { members.isEmpty }

  /// Adds a render. It must be between two steps.
  /// - Parameters:
  ///   - denoising: the render, which `begin` has begun.
  ///   - renderer: the renderer of the same model as the others'.
  package mutating func add(_ denoising: Denoising, of renderer: Renderer) -> Handle {
    handlesGiven += 1
    members.append(
      Member(handle: Handle(number: handlesGiven), renderer: renderer, denoising: denoising))
    return Handle(number: handlesGiven)
  }

  /// Removes a render, if it is still there.
  package mutating func remove(_ handle: Handle) { members.removeAll { $0.handle == handle } }

  /// The state of a render; nil if it was removed.
  package subscript(handle: Handle) -> Denoising? { members.first { $0.handle == handle }?.denoising }

  /// Renders that have a step left.
  package var unfinishedCount: Int { members.count { !$0.denoising.isDone } }

  /// Bytes that the renders hold between their steps.
  package var keptBytes: Int {
    members.reduce(0) { $0 + $1.denoising.plan.text.keptBytes + $1.denoising.plan.step.keptBytes }
  }

  /// Bytes that a step of each render takes beside `keptBytes`.
  private var stepBytes: Int {
    members.reduce(0) { $0 + $1.denoising.plan.step.tensorBytes - $1.denoising.plan.step.keptBytes }
  }

  /// Whether another render fits into memory and is worth adding. If all of the model's weights are in memory,
  /// rendering one picture after the other is as fast.
  /// - Parameters:
  ///   - request: what would be added.
  ///   - renderer: the renderer of the same model.
  ///   - always: whether it may be added even if nothing is gained.
  ///   - holding: whether it will be added at once, so that no work beside this group may take its room.
  /// - Throws: `DiffusionError` for a request that the model cannot render.
  package func hasRoom(
    for request: PictureRequest, with renderer: Renderer, always: Bool, holding: Bool
  ) throws -> Bool {
    guard let first = members.first, first.renderer.model.cacheName == renderer.model.cacheName
    else { return false }
    let model = renderer.model
    let standing = renderer.governor.standing(beside: keptBytes)
    let plan = try renderer.plan(request)
    let plans = members.map(\.denoising.plan) + [plan]
    let steps = stepBytes + plan.step.tensorBytes
    guard let room = standing.left else { return always }
    guard always || room - steps - plan.text.keptBytes < model.unet.byteCounts.total else { return false }
    // Between two images' turns, each of them may hold a part while the next part is being read.
    let largest = plans.map(\.step.largestPart).max() ?? 0
    let encoding = plan.encoding.map { plan.text.keptBytes + $0.smallest } ?? 0
    let phases =
      plans.map { $0.decoding.smallest + plan.text.keptBytes }
      + [plan.text.smallest, encoding, plan.text.keptBytes + steps + 3 * largest]
    guard let most = phases.max(), most <= room else { return false }
    return !holding || renderer.governor.reserve(most, tensors: most, standing)
  }

  /// Prepares for the steps after renders were added or removed.
  package func enter() {
    guard let first = members.first else { return }
    let (cache, ledger) = (first.renderer.model.cache, first.renderer.pass.ledger)
    let plans = members.map(\.denoising.plan)
    let step = PhasePlan(
      tensorBytes: stepBytes,
      largestTensor: plans.map(\.step.largestTensor).max() ?? 0,
      uses: first.denoising.plan.step.uses.flatMap { Array(repeating: $0, count: members.count) },
      keptBytes: 0)
    let governor = first.renderer.governor
    let standing = governor.standing(beside: keptBytes)
    let preview = plans.compactMap(\.preview?.phase).max { $0.tensorBytes < $1.tensorBytes }
    let phase = step.sharing(with: preview, within: standing.left)
    hold(phase, governor)
    governor.enter(phase, standing, ledger: ledger)
    cache.expect(cycle: step.uses)
  }

  /// Tells works beside this group what it takes at one time.
  private func hold(_ step: PhasePlan, _ governor: MemoryGovernor) {
    let plans = members.map(\.denoising.plan)
    // Between two images' turns, each of them may hold a part while the next part is being read.
    let parts = step.largestPart * (members.count > 1 ? 3 : 1)
    governor.hold(
      keptBytes + max(step.tensorBytes + parts, plans.map(\.decoding.smallest).max() ?? 0),
      tensors: keptBytes + max(step.tensorBytes, plans.map(\.decoding.tensorBytes).max() ?? 0))
  }

  /// Takes one step of each unfinished render.
  /// - Returns: the errors of renders that failed. The others go on.
  package mutating func advance() -> [Handle: any Error] {
    let open = members.indices.filter { !members[$0].denoising.isDone }
    guard let first = open.first else { return [:] }
    if open.count == 1 {
      do {
        _ = try members[first].renderer.advance(&members[first].denoising)
        return [:]
      } catch {
        return [members[first].handle: error]
      }
    }
    for index in open { members[index].denoising.forgetStaleFeature() }
    let renders = open.map { members[$0] }
    let isWhole = renders.contains { $0.denoising.isWhole(at: $0.denoising.step) }
    let outcomes = renders[0].renderer.model.cache.step(
      ledger: renders[0].renderer.pass.ledger, isWhole: isWhole
    ) {
      Lockstep.run(renders.count) { place in
        let render = renders[place.index]
        return try MemoryRefusal.check {
          try render.renderer.predict(render.denoising, render.renderer.pass.walking(at: place))
        }
      }
    }
    var failures: [Handle: any Error] = [:]
    for (index, outcome) in zip(open, outcomes) {
      do {
        let (prediction, member) = (try outcome.get(), members[index])
        // Memory that is refused here is refused to this render alone.
        members[index].denoising = try MemoryRefusal.check {
          member.renderer.taken(prediction, member.denoising)
        }
      } catch {
        failures[members[index].handle] = error
      }
    }
    return failures
  }
}
