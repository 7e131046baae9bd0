import Testing
import WeightCache

/// What stays under each policy, and how far from the optimum that is.
@Suite struct CachePolicyTests {
  /// `rounds` denoising steps over parts of those sizes, in order.
  static func circle(_ sizes: [Int], rounds: Int) -> CacheTrace {
    CacheTrace(
      uses: (1...rounds).flatMap { step in
        sizes.enumerated().map { CacheTrace.Use(part: "part.\($0)", bytes: $1, step: step) }
      })
  }

  /// In a circle the least recently used is always what comes next.
  @Test func lruNeverHitsInACircle() {
    let replay = CacheReplay(Self.circle([Int](repeating: 10, count: 20), rounds: 5))
    #expect(replay.workingSet == 200)
    #expect(replay.run(.lru, budget: 190).hits == 0)
    #expect(replay.run(.nextUse, budget: 190).hitRate > 0.7)
    #expect(replay.run(.nextUse, budget: 210) == replay.run(.lru, budget: 210))
  }

  @Test(arguments: [0.25, 0.5, 0.75, 0.9]) func nextUseIsCloseToTheOptimum(share: Double) {
    // Sizes as of a mixture's layers: few large ones, many small.
    let sizes = (0..<200).map { [400, 100, 100, 100, 26, 13][$0 % 6] * (1 + $0 / 60) }
    let replay = CacheReplay(Self.circle(sizes, rounds: 8))
    let budget = Int(Double(replay.workingSet) * share)
    let (best, ours) = (replay.optimum(budget: budget), replay.run(.nextUse, budget: budget))
    #expect(best.byteRate - ours.byteRate < 0.05, "\(ours.byteRate) of \(best.byteRate)")
    // A planted fault: a forecast that points the wrong way is as bad as none.
    #expect(best.byteRate - replay.run(.lru, budget: budget).byteRate > 0.2)
  }

  /// Routing that changes from step to step: what was not foreseen is read, and nothing else suffers.
  @Test func changingRoutes() {
    var uses: [CacheTrace.Use] = []
    for step in 1...10 {
      for layer in 0..<30 {
        let expert = (layer * 7 + step * (layer % 5 == 0 ? 3 : 0)) % 4
        uses.append(CacheTrace.Use(part: "\(layer).\(expert)", bytes: 10, step: step))
      }
    }
    let replay = CacheReplay(CacheTrace(uses: uses))
    let (best, ours) = (replay.optimum(budget: 150), replay.run(.nextUse, budget: 150))
    // The place that is kept free for the next part costs one of fifteen.
    #expect(best.hitRate - ours.hitRate < 0.1, "\(ours.hitRate) of \(best.hitRate)")
    #expect(best.hits >= ours.hits, "of equal parts nobody keeps more")
  }

  @Test func theOptimumByHand() {
    let order = ["a", "b", "c", "a", "b", "d", "a", "b"]
    let replay = CacheReplay(CacheTrace(uses: order.map { CacheTrace.Use(part: $0, bytes: 1) }))
    // Two places: a and b stay, c and d go by.
    let outcome = replay.optimum(budget: 2)
    #expect(outcome.hits == 4 && outcome.misses == 4 && outcome.bytesRead == 4)
    #expect(replay.optimum(budget: 0).hits == 0)
  }

  @Test func pinFirstKeepsWhatCameFirst() {
    let outcome = CacheReplay(Self.circle([10, 10, 10, 10], rounds: 3)).run(.pinFirst, budget: 30)
    // Two stay for good; the third place changes hands.
    #expect(outcome.hits == 4 && outcome.misses == 8)
  }
}
