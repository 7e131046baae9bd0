import Foundation
import Synchronization
import Testing
import WeightCache

/// What stays under each policy, what the forecast knows, and how far from the optimum that is.
@Suite struct CachePolicyTests {
  /// `rounds` denoising steps over parts of those sizes, in order.
  static func circle(_ sizes: [Int], rounds: Int) -> CacheTrace {
    CacheTrace(
      uses: (1...rounds).flatMap { step in
        sizes.enumerated().map { CacheTrace.Use(part: "part.\($0)", bytes: $1, step: step) }
      })
  }

  /// Parts of one byte that are expected.
  private static func expected(_ keys: [PartKey]) -> [Forecast.Use] {
    keys.map { Forecast.Use(key: $0, byteCount: 1) }
  }

  @Test func distancesGoRound() {
    var forecast = Forecast()
    let keys = (0..<4).map { PartKey(model: "m", path: "\($0)") }
    let text = PartKey(model: "m", path: "text")
    forecast.setCycle(Self.expected(keys))
    forecast.begin(lead: Self.expected([text]))
    #expect(forecast.distance(to: text) == 0 && forecast.distance(to: keys[0]) == 1)
    forecast.use(text, byteCount: 1)
    // Once the lead is over its parts are not expected again.
    #expect(forecast.distance(to: text) == nil)
    forecast.use(keys[1], byteCount: 1)
    #expect(keys.map { forecast.distance(to: $0) } == [2, 3, 0, 1])
    #expect(forecast.distance(to: PartKey(model: "other", path: "0")) == nil)
  }

  /// A part that several images use in turn is needed at once until the last of them has used it.
  @Test func usesOfSeveralImagesAreCounted() {
    var forecast = Forecast()
    let keys = (0..<3).map { PartKey(model: "m", path: "\($0)") }
    forecast.setCycle(Self.expected([0, 0, 1, 2, 1, 2].map { keys[$0] }))
    forecast.begin(lead: [])
    forecast.use(keys[0], byteCount: 1)
    #expect(keys.map { forecast.distance(to: $0) } == [0, 1, 2])
    forecast.use(keys[0], byteCount: 1)
    #expect(keys.map { forecast.distance(to: $0) } == [4, 0, 1])
    forecast.use(keys[1], byteCount: 1)
    forecast.use(keys[2], byteCount: 1)
    #expect(keys.map { forecast.distance(to: $0) } == [2, 0, 1])
    forecast.use(keys[1], byteCount: 1)
    forecast.use(keys[2], byteCount: 1)
    #expect(keys.map { forecast.distance(to: $0) } == [0, 2, 3])
  }

  /// Where a layer takes another expert than the last time, that one is expected; the order in which the chosen
  /// come does not matter.
  @Test func routingIsLearnedAsItGoesBy() throws {
    func expert(_ layer: String, _ number: Int) -> PartKey {
      PartKey(model: "m", path: "\(layer).experts.\(number).weight")
    }
    let dense = PartKey(model: "m", path: "dense")
    var forecast = Forecast()
    forecast.setCycle(
      Self.expected([expert("a", 0), expert("a", 1), dense, expert("b", 0), expert("b", 1)]))
    forecast.begin(lead: [])
    forecast.use(expert("a", 2), byteCount: 1)
    // The first choice of the last time may still be the second one now.
    #expect(forecast.distance(to: expert("a", 0)) == 0)
    #expect(forecast.distance(to: expert("a", 1)) == nil)
    forecast.use(expert("a", 0), byteCount: 1)
    forecast.use(dense, byteCount: 1)
    // The other way round than expected.
    forecast.use(expert("b", 1), byteCount: 1)
    #expect(forecast.distance(to: expert("b", 0)) == 0)
    forecast.use(expert("b", 0), byteCount: 1)
    forecast.begin(lead: [])
    let keys = [expert("a", 2), expert("a", 0), dense, expert("b", 1), expert("b", 0)]
    // Second choices: one was dropped, three came again, all a step ago; of first ones nothing is known.
    let (first, second) = (0.8, (0.5 * 3 + 0.55) / (0.5 * 4 + 1))
    let expected = [0, 1 / second, 2, 3 / first, 4 / second]
    for (key, expected) in zip(keys, expected) {
      #expect(abs(try #require(forecast.distance(to: key)) - expected) < 1e-9)
    }
    #expect((0..<forecast.count).map { forecast.upcoming($0).key } == keys)
  }

  /// What a router has changed of late counts as used later than what it has chosen again, and that as later than
  /// what is certain; rank by rank, and a few steps later the other way round if it is so.
  @Test func whatChangesIsLessSure() throws {
    func expert(_ layer: Int, _ number: Int) -> PartKey {
      PartKey(model: "m", path: "\(layer).experts.\(number).weight")
    }
    func step(_ forecast: inout Forecast, _ chosen: (Int) -> [Int]) {
      forecast.begin(lead: [])
      for layer in 0..<10 {
        for number in chosen(layer) { forecast.use(expert(layer, number), byteCount: 1) }
      }
    }
    let dense = PartKey(model: "m", path: "dense")
    var forecast = Forecast()
    forecast.setCycle(
      Self.expected((0..<10).flatMap { [expert($0, 0), expert($0, 1)] } + [dense]))
    step(&forecast) { [0, 2 + $0 % 2] }
    step(&forecast) { [0, $0 % 2 == 0 ? 1 : 2] }
    let (first, second) = try #require(
      forecast.distance(to: expert(9, 0)).flatMap { first in
        forecast.distance(to: expert(9, 2)).map { (first, $0) }
      })
    // A round has 21 uses; the last layer's come after 20 and 21 of them.
    #expect(first >= 19 && first < 21 && second > 60)
    #expect(forecast.distance(to: dense) == 0)
    for _ in 0..<4 { step(&forecast) { [$0 % 2 == 0 ? 3 : 0, 2] } }
    let later = try #require(forecast.distance(to: expert(9, 2)))
    #expect(later >= 20 && later < 26)
  }

  /// Without any forecast a circle is what has been seen so far: what was used last is needed last.
  @Test func theFirstRoundIsLearned() {
    var forecast = Forecast()
    let keys = (0..<3).map { PartKey(model: "m", path: "\($0)") }
    for key in keys { forecast.use(key, byteCount: 1) }
    #expect(keys.map { forecast.distance(to: $0) } == [0, 1, 2])
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
    let cache = PartCache(budget: 100, policy: policy)
    let ledger = CacheLedger()
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
    let cache = PartCache(budget: 100)
    let ledger = CacheLedger()
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

  /// A part of that many bytes whose reading takes a while.
  private static func slow(_ name: String, bytes: Int, alive: LoadedBytes, seconds: Double = 0) -> PartUse {
    PartUse(key: PartKey(model: "m", path: name), byteCount: bytes) {
      alive.began(name)
      Thread.sleep(forTimeInterval: seconds)
      return Block(number: bytes, alive: alive, byteCount: bytes)
    }
  }

  /// Routing asks for another part than was foreseen, while that one is being read: both fit, or the foreseen
  /// one was not begun.
  @Test(arguments: [30, 34, 35, 60]) func whatWasNotForeseenFitsBesideAReadAhead(budget: Int) throws {
    let alive = LoadedBytes()
    let cache = PartCache(budget: budget)
    let ledger = CacheLedger()
    let small = Self.slow("small", bytes: 10, alive: alive, seconds: 0.03)
    let large = Self.slow("large", bytes: 25, alive: alive)
    cache.expect(cycle: [small, large])
    cache.begin(lead: [], ledger: ledger)
    Thread.sleep(forTimeInterval: 0.01)
    try cache.withPart(large, as: Block.self, ledger: ledger) { _ in Thread.sleep(forTimeInterval: 0.04) }
    #expect(alive.most <= budget)
    #expect(alive.count("small") > 0 || budget < 35, "with room it is read ahead")
  }

  /// Whoever needs what is being read waits for the rest of that read, and for no other.
  @Test func aMissIsWaitedForOnce() throws {
    let alive = LoadedBytes()
    let cache = PartCache(budget: 100)
    let ledger = CacheLedger()
    let use = Self.slow("x", bytes: 10, alive: alive, seconds: 0.2)
    cache.begin(lead: [use], ledger: ledger)
    for _ in 0..<10_000 where alive.count("x") == 0 { Thread.sleep(forTimeInterval: 0.001) }
    Thread.sleep(forTimeInterval: 0.1)
    try cache.withPart(use, as: Block.self, ledger: ledger) { #expect($0.number == 10) }
    #expect(alive.count("x") == 1 && ledger.counts.misses == 1 && ledger.counts.hits == 0)
    #expect(ledger.counts.stallSeconds < 0.19)
  }

  /// A budget that shrinks is kept when `setBudget` returns, though a part was on its way in.
  @Test func aShrinkingBudgetWaitsForWhatIsOnItsWay() throws {
    let alive = LoadedBytes()
    let cache = PartCache(budget: 100)
    let ledger = CacheLedger()
    let use = Self.slow("x", bytes: 10, alive: alive, seconds: 0.05)
    cache.begin(lead: [use], ledger: ledger)
    for _ in 0..<10_000 where alive.count("x") == 0 { Thread.sleep(forTimeInterval: 0.001) }
    cache.setBudget(5, ledger: ledger)
    #expect(cache.byteCount <= 5)
    Thread.sleep(forTimeInterval: 0.1)
    #expect(cache.byteCount <= 5 && alive.now <= 5)
  }

  /// What is not used again leaves before what is, under every policy that looks ahead.
  @Test(arguments: [CachePolicy.nextUse, .pinFirst]) func whatIsOverLeavesFirst(policy: CachePolicy) throws {
    let alive = LoadedBytes()
    let cache = PartCache(budget: 50, policy: policy, prefetches: false)
    let ledger = CacheLedger()
    let text = (0..<4).map { Self.slow("text.\($0)", bytes: 10, alive: alive) }
    let step = (0..<4).map { Self.slow("step.\($0)", bytes: 10, alive: alive) }
    cache.expect(cycle: step)
    cache.begin(lead: text, ledger: ledger)
    func use(_ parts: [PartUse]) throws {
      for part in parts { try cache.withPart(part, as: Block.self, ledger: ledger) { _ in } }
    }
    try use(text)
    for _ in 0..<3 { try cache.step(ledger: ledger) { try use(step) } }
    #expect(cache.keys.isSuperset(of: step.map(\.key)))
    #expect(ledger.counts.misses == 8 && ledger.counts.hits == 8)
  }

  /// Bytes of blocks that are in memory, and the most there ever were.
  final class LoadedBytes: Sendable {
    private let state = Mutex((now: 0, most: 0))
    private let loads = Mutex<[String: Int]>([:])
    var most: Int { state.withLock { $0.most } }
    var now: Int { state.withLock { $0.now } }
    func began(_ name: String) { loads.withLock { $0[name, default: 0] += 1 } }
    /// Times that a part was begun to be read.
    func count(_ name: String) -> Int { loads.withLock { $0[name] ?? 0 } }
    func add(_ bytes: Int) {
      state.withLock {
        $0.now += bytes
        $0.most = max($0.most, $0.now)
      }
    }
  }

  /// Ten bytes, or another number, that say when they come and go.
  final class Block: Weighted {
    let number: Int
    private let alive: LoadedBytes
    let byteCount: Int
    func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {}
    init(number: Int, alive: LoadedBytes, byteCount: Int = 10) {
      self.number = number
      self.alive = alive
      self.byteCount = byteCount
      alive.add(byteCount)
    }
    deinit { alive.add(-byteCount) }
  }
}
