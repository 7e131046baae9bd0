import Tensors
import WeightCache

/// Renders with one model, a step of all at a time: what is read of the model's weights for one serves all.
/// Each picture is the one that it would be alone, to the bit.
package struct RenderGroup: Sendable {
  /// Names a render of a group. Handles are never used again.
  package struct Handle: Hashable, Sendable {
    fileprivate let number: Int
  }

  private struct Member {
    let handle: Handle
    let renderer: Renderer
    var denoising: Denoising
  }

  /// In the order in which they came.
  private var members: [Member] = []
  private var handlesGiven = 0

  package init() {}

  package var isEmpty: Bool { members.isEmpty }

  /// Takes in a render between two steps.
  /// - Parameters:
  ///   - denoising: the render, which `begin` has begun.
  ///   - renderer: of the same model as the others'.
  package mutating func add(_ denoising: Denoising, of renderer: Renderer) -> Handle {
    handlesGiven += 1
    members.append(
      Member(handle: Handle(number: handlesGiven), renderer: renderer, denoising: denoising))
    return Handle(number: handlesGiven)
  }

  /// Lets a render go; nothing if it has gone.
  package mutating func remove(_ handle: Handle) { members.removeAll { $0.handle == handle } }

  /// A render as it is; nil if it has gone.
  package subscript(handle: Handle) -> Denoising? { members.first { $0.handle == handle }?.denoising }

  /// Renders that have a step left.
  package var unfinishedCount: Int { members.count { !$0.denoising.isDone } }

  /// Bytes that the renders hold between their steps.
  package var keptBytes: Int {
    members.reduce(0) { $0 + $1.denoising.plan.text.keptBytes }
  }

  /// Whether a further render fits into memory, and gains anything: a model whose weights are all there is as
  /// quick with one picture after the other.
  /// - Parameters:
  ///   - request: what would be added.
  ///   - renderer: of the same model.
  ///   - always: whether it may go along without a gain.
  /// - Throws: `DiffusionError` for a request that the model cannot render.
  package func hasRoom(
    for request: PictureRequest, with renderer: Renderer, always: Bool = false
  ) throws -> Bool {
    guard let first = members.first, first.renderer.model.cacheName == renderer.model.cacheName
    else { return false }
    let model = renderer.model
    let standing = renderer.governor.standing(beside: keptBytes)
    let plan = try renderer.plan(request, room: standing.room)
    let plans = members.map(\.denoising.plan) + [plan]
    let steps = plans.reduce(0) { $0 + $1.step.tensorBytes }
    guard let room = standing.left else { return always }
    guard always || room - steps - plan.text.keptBytes < model.unet.byteCounts.total else { return false }
    // Between two images' turns a part may be held for each of the two, and the next be on its way.
    let largest = plans.map(\.step.largestPart).max() ?? 0
    let encoding = plan.encoding.map { plan.text.keptBytes + $0.smallest } ?? 0
    let phases =
      plans.map { $0.decoding.smallest + plan.text.keptBytes }
      + [plan.text.smallest, encoding, plan.text.keptBytes + steps + 3 * largest]
    return phases.allSatisfy { $0 <= room }
  }

  /// Prepares the steps of renders that have not gone together before.
  package func enter() {
    guard let first = members.first else { return }
    let (cache, ledger) = (first.renderer.model.cache, first.renderer.pass.ledger)
    let plans = members.map(\.denoising.plan)
    let step = PhasePlan(
      tensorBytes: plans.reduce(0) { $0 + $1.step.tensorBytes },
      largestTensor: plans.map(\.step.largestTensor).max() ?? 0,
      uses: first.denoising.plan.step.uses.flatMap { Array(repeating: $0, count: members.count) },
      keptBytes: 0)
    let governor = first.renderer.governor
    governor.enter(step, governor.standing(beside: keptBytes), ledger: ledger)
    cache.expect(cycle: step.uses)
  }

  /// Takes a step of each render that has one left.
  /// - Returns: what went wrong with a render; the others go on all the same.
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
    let renders = open.map { members[$0] }
    let outcomes = renders[0].renderer.model.cache.step(ledger: renders[0].renderer.pass.ledger) {
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
        members[index].renderer.take(try outcome.get(), &members[index].denoising)
      } catch {
        failures[members[index].handle] = error
      }
    }
    return failures
  }
}
