import Experts
import Tensors

/// One of several renders that go through their model's network together.
package struct GroupedRender: Sendable {
  /// Of the same model as the others'.
  package let renderer: Renderer
  package var denoising: Denoising

  package init(renderer: Renderer, denoising: Denoising) {
    self.renderer = renderer
    self.denoising = denoising
  }
}

/// Renders with one model, a step of all at a time: what is read of the model's weights for one serves all.
/// Each picture is the one that it would be alone, to the bit.
package enum RenderGroup {
  /// Bytes that the renders hold between their steps.
  package static func keptBytes(_ group: [GroupedRender]) -> Int {
    group.reduce(0) { $0 + $1.denoising.plan.text.keptBytes }
  }

  /// Whether a further render fits into memory, and gains anything: a model whose weights are all there is as
  /// quick with one picture after the other.
  /// - Parameter always: whether it may go along without a gain.
  /// - Throws: `DiffusionError` for a request that the model cannot render.
  package static func hasRoom(
    for request: RenderRequest, with renderer: Renderer, beside group: [GroupedRender], always: Bool = false
  ) throws -> Bool {
    guard let first = group.first, first.renderer.model.cacheName == renderer.model.cacheName,
      first.renderer.budget == renderer.budget
    else { return false }
    let model = renderer.model
    let kept = keptBytes(group)
    let fixed = renderer.footprint.bytes(beside: model.cache, known: kept)
    let plan = try renderer.plan(request, room: renderer.budget.map { $0.room(fixed: fixed) })
    let plans = group.map(\.denoising.plan) + [plan]
    let steps = plans.reduce(0) { $0 + $1.step.tensorBytes }
    guard let budget = renderer.budget else {
      return always && TensorMemory.isAvailable(steps + model.byteCounts.total - model.cache.byteCount)
    }
    let room = budget.bytes - fixed - kept
    guard always || room - steps - plan.text.keptBytes < model.unet.byteCounts.total else { return false }
    // Between two images' turns a part may be held for each of the two, and the next be on its way.
    let largest = plans.map(\.step.largestPart).max() ?? 0
    let encoding = plan.encoding.map { plan.text.keptBytes + $0.tensorBytes + $0.largestPart } ?? 0
    let phases =
      plans.map { $0.decoding.tensorBytes + $0.decoding.largestPart + plan.text.keptBytes }
      + [plan.text.tensorBytes + plan.text.largestPart, encoding, plan.text.keptBytes + steps + 3 * largest]
    return phases.allSatisfy { $0 <= room }
  }

  /// Prepares the steps of renders that have not gone together before.
  package static func enter(_ group: [GroupedRender]) {
    guard let first = group.first else { return }
    let (cache, ledger) = (first.renderer.model.cache, first.renderer.pass.ledger)
    let plans = group.map(\.denoising.plan)
    let step = PhasePlan(
      tensorBytes: plans.reduce(0) { $0 + $1.step.tensorBytes },
      largestTensor: plans.map(\.step.largestTensor).max() ?? 0,
      uses: first.denoising.plan.step.uses.flatMap { Array(repeating: $0, count: group.count) }, keptBytes: 0)
    let kept = keptBytes(group)
    let fixed = first.renderer.footprint.bytes(beside: cache, known: kept) + kept
    first.renderer.budget?.apply(step, fixed: fixed, cache, ledger)
    cache.expect(cycle: step.uses)
  }

  /// Takes a step of each render that has one left.
  /// - Returns: for each, what went wrong, if anything did; the others go on all the same.
  package static func advance(_ group: inout [GroupedRender]) -> [(any Error)?] {
    var failures = [(any Error)?](repeating: nil, count: group.count)
    let open = group.indices.filter { group[$0].denoising.step < group[$0].denoising.steps }
    guard let first = open.first else { return failures }
    if open.count == 1 {
      do {
        _ = try group[first].renderer.advance(&group[first].denoising)
      } catch {
        failures[first] = error
      }
      return failures
    }
    let renders = open.map { group[$0] }
    let outcomes = renders[0].renderer.model.cache.step(ledger: renders[0].renderer.pass.ledger) {
      Lockstep.run(renders.count) { place in
        let render = renders[place.index]
        return try MemoryRefusal.check {
          try render.renderer.predict(render.denoising, render.renderer.pass.walking(at: place))
        }
      }
    }
    for (index, outcome) in zip(open, outcomes) {
      do {
        group[index].renderer.take(try outcome.get(), &group[index].denoising)
      } catch {
        failures[index] = error
      }
    }
    return failures
  }
}
