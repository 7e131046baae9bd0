import Foundation
import Layers
import Synchronization
import Testing

@testable import Experts

/// What stays under each policy, what the forecast knows, and how far from the optimum that is.
@Suite struct CachePolicyTests {
  /// `rounds` denoising steps over parts of those sizes, in order.
  static func circle(_ sizes: [Int], rounds: Int) -> CacheTrace {
    CacheTrace(
      uses: (1...rounds).flatMap { step in
        sizes.enumerated().map { CacheTrace.Use(part: "part.\($0)", bytes: $1, step: step) }
      })
  }

  @Test func distancesGoRound() {
    var forecast = Forecast()
    let keys = (0..<4).map { PartKey(model: "m", path: "\($0)") }
    let text = PartKey(model: "m", path: "text")
    forecast.setCycle(keys)
    forecast.begin(lead: [text])
    #expect(forecast.distance(to: text) == 0 && forecast.distance(to: keys[0]) == 1)
    forecast.use(text)
    // Once the lead is over its parts are not expected again.
    #expect(forecast.distance(to: text) == nil)
    forecast.use(keys[1])
    #expect(keys.map { forecast.distance(to: $0) } == [2, 3, 0, 1])
    #expect(forecast.distance(to: PartKey(model: "other", path: "0")) == nil)
  }

  /// A part that several images use in turn is needed at once until the last of them has used it.
  @Test func usesOfSeveralImagesAreCounted() {
    var forecast = Forecast()
    let keys = (0..<3).map { PartKey(model: "m", path: "\($0)") }
    forecast.setCycle([keys[0], keys[0], keys[1], keys[2], keys[1], keys[2]])
    forecast.begin(lead: [])
    forecast.use(keys[0])
    #expect(keys.map { forecast.distance(to: $0) } == [0, 1, 2])
    forecast.use(keys[0])
    #expect(keys.map { forecast.distance(to: $0) } == [4, 0, 1])
    forecast.use(keys[1])
    forecast.use(keys[2])
    #expect(keys.map { forecast.distance(to: $0) } == [2, 0, 1])
    forecast.use(keys[1])
    forecast.use(keys[2])
    #expect(keys.map { forecast.distance(to: $0) } == [0, 2, 3])
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

  /// The budget holds whatever is read ahead, in every order of threads.
  @Test(arguments: [CachePolicy.nextUse, .pinFirst]) func readingAheadKeepsTheBudget(policy: CachePolicy)
    throws
  {
    let alive = LoadedBytes()
    let cache = ExpertCache(budget: 100, policy: policy)
    let ledger = ExpertLedger()
    let uses = (0..<30).map { number in
      PartUse(key: PartKey(model: "m", path: "\(number)"), byteCount: 10) {
        Thread.sleep(forTimeInterval: 0.0005)
        return Block(number: number, alive: alive)
      }
    }
    cache.expect(cycle: uses)
    for _ in 0..<6 {
      try cache.step(ledger: ledger) {
        for (number, use) in uses.enumerated() {
          try cache.withPart(use, as: Block.self, ledger: ledger) {
            #expect($0.number == number)
            Thread.sleep(forTimeInterval: 0.001)
          }
        }
      }
    }
    #expect(alive.most <= 100 && cache.byteCount <= 100)
    let counts = ledger.counts
    #expect(counts.misses >= 30 && counts.bytesLoaded == counts.misses * 10)
    #expect(counts.hits > 0)
    // Reading ahead overlaps with the use before: not every miss is waited for.
    #expect(counts.hits + counts.misses >= 180)
  }

  /// A read ahead that fails is not the end: whoever needs the part gets the error, and then the next try.
  @Test func aFailedReadAheadIsToldToWhoNeedsIt() throws {
    struct Broken: Error {}
    let isBroken = Atomic<Bool>(true)
    let cache = ExpertCache(budget: 100)
    let ledger = ExpertLedger()
    let use = PartUse(key: PartKey(model: "m", path: "x"), byteCount: 10) {
      if isBroken.load(ordering: .relaxed) { throw Broken() }
      return Block(number: 7, alive: LoadedBytes())
    }
    cache.begin(lead: [use], ledger: ledger)
    Thread.sleep(forTimeInterval: 0.02)
    #expect(throws: Broken.self) { try cache.withPart(use, as: Block.self, ledger: ledger) { _ in } }
    #expect(cache.byteCount == 0)
    isBroken.store(false, ordering: .relaxed)
    #expect(try cache.withPart(use, as: Block.self, ledger: ledger) { $0.number } == 7)
  }

  /// Bytes of blocks that are in memory, and the most there ever were.
  final class LoadedBytes: Sendable {
    private let state = Mutex((now: 0, most: 0))
    var most: Int { state.withLock { $0.most } }
    func add(_ bytes: Int) {
      state.withLock {
        $0.now += bytes
        $0.most = max($0.most, $0.now)
      }
    }
  }

  /// Ten bytes that say when they come and go.
  final class Block: Weighted {
    let number: Int
    private let alive: LoadedBytes
    var byteCount: Int { 10 }
    func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {}
    init(number: Int, alive: LoadedBytes) {
      self.number = number
      self.alive = alive
      alive.add(10)
    }
    deinit { alive.add(-10) }
  }
}
