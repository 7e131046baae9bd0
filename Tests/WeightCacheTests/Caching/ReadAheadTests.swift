import Foundation
import Synchronization
import TestSupport
import Testing
import WeightCache

/// Parts that are read ahead of their use, by another thread.
@Suite struct ReadAheadTests {
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
    if budget >= 35 { alive.awaitReading("small") }
    try cache.withPart(large, as: Block.self, ledger: ledger) { _ in Thread.sleep(forTimeInterval: 0.04) }
    #expect(alive.most <= budget)
    #expect(alive.count("small") > 0 || budget < 35, "with room it is read ahead")
  }

  /// Whoever needs what is being read waits for the rest of that read, and for no other.
  @Test func aMissIsWaitedForOnce() throws {
    let alive = LoadedBytes()
    let cache = PartCache(budget: 100)
    let ledger = CacheLedger()
    let mayEnd = DispatchSemaphore(value: 0)
    let use = PartUse(key: PartKey(model: "m", path: "x"), byteCount: 10) {
      alive.began("x")
      mayEnd.wait()
      return Block(number: 10, alive: alive)
    }
    cache.begin(lead: [use], ledger: ledger)
    alive.awaitReading("x")
    // What has been read before it is needed is no stall.
    Thread.sleep(forTimeInterval: 0.1)
    // It ends once it is waited for, on a machine that does not stand still for a second just here.
    Thread.detachNewThread {
      Thread.sleep(forTimeInterval: 1)
      mayEnd.signal()
    }
    let asked = ContinuousClock.now
    try cache.withPart(use, as: Block.self, ledger: ledger) { #expect($0.number == 10) }
    let waited = ContinuousClock.now - asked
    #expect(alive.count("x") == 1 && ledger.counts.misses == 1 && ledger.counts.hits == 0)
    #expect(ledger.counts.stallSeconds > 0 && .seconds(ledger.counts.stallSeconds) <= waited)
  }

  /// A budget that shrinks is kept when `setBudget` returns, though a part was on its way in.
  @Test func aShrinkingBudgetWaitsForWhatIsOnItsWay() throws {
    let alive = LoadedBytes()
    let cache = PartCache(budget: 100)
    let ledger = CacheLedger()
    let use = Self.slow("x", bytes: 10, alive: alive, seconds: 0.05)
    cache.begin(lead: [use], ledger: ledger)
    alive.awaitReading("x")
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
}

/// Bytes of blocks that are in memory, and the most there ever were.
private final class LoadedBytes: Sendable {
  private let state = Mutex((now: 0, most: 0))
  private let loads = Mutex<[String: Int]>([:])
  var most: Int { state.withLock { $0.most } }
  var now: Int { state.withLock { $0.now } }
  func began(_ name: String) { loads.withLock { $0[name, default: 0] += 1 } }
  /// Times that a part was begun to be read.
  func count(_ name: String) -> Int { loads.withLock { $0[name] ?? 0 } }
  /// Waits until a part is being read, or was. The limit only ends a test that hangs.
  func awaitReading(_ name: String) {
    let limit = Patience.end
    while count(name) == 0, Date() < limit { Thread.sleep(forTimeInterval: 0.001) }
  }
  func add(_ bytes: Int) {
    state.withLock {
      $0.now += bytes
      $0.most = max($0.most, $0.now)
    }
  }
}

/// Ten bytes, or another number, that say when they come and go.
private final class Block: Weighted {
  let number: Int
  private let alive: LoadedBytes
  let byteCount: Int
  func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {}
  var settings: [String] { [] }
  init(number: Int, alive: LoadedBytes, byteCount: Int = 10) {
    self.number = number
    self.alive = alive
    self.byteCount = byteCount
    alive.add(byteCount)
  }
  deinit { alive.add(-byteCount) }
}
