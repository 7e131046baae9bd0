import Foundation
import Synchronization
import Tensors
import Testing
import WeightCache

/// The cache of packed experts: what it holds, what it evicts, what it counts.
@Suite struct PartCacheTests {
  /// An expert that only has a size and a number.
  struct Weight: Weighted {
    let number: Int
    let byteCount: Int
    let settings: [String]
    private let content: Tensor

    init(number: Int, byteCount: Int, settings: [String] = []) {
      self.number = number
      self.byteCount = byteCount
      self.settings = settings
      content = Tensor(shape: [1], values: [Float(number)])
    }

    func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) { content.withBytes(body) }
  }

  struct Missing: Error, Equatable {}

  private func part(
    _ number: Int, model: String = "m", bytes: Int = 10, load: (@Sendable () throws -> Weight)? = nil
  ) -> PartUse {
    PartUse(key: PartKey(model: model, path: "expert.\(number)"), byteCount: bytes) {
      try load?() ?? Weight(number: number, byteCount: bytes)
    }
  }

  private func use(_ number: Int, _ cache: PartCache, _ ledger: CacheLedger, bytes: Int = 10) throws {
    let found = try cache.withPart(part(number, bytes: bytes), as: Weight.self, ledger: ledger) { $0.number }
    #expect(found == number)
  }

  @Test func evictsTheLeastRecentlyUsed() throws {
    let cache = PartCache(budget: 30, policy: .lru)
    let ledger = CacheLedger()
    for number in [1, 2, 3, 1, 4] { try use(number, cache, ledger) }
    // 2 was the least recently used when 4 came.
    for number in [1, 3, 4] { try use(number, cache, ledger) }
    #expect(ledger.counts.hits == 4 && ledger.counts.misses == 4 && ledger.counts.evictions == 1)
    try use(2, cache, ledger)
    #expect(ledger.counts.misses == 5 && ledger.counts.evictions == 2)
    #expect(cache.byteCount == 30 && cache.count == 3)
    #expect(ledger.counts.bytesLoaded == 50)
  }

  @Test func neverEvictsWhatIsInUse() throws {
    let cache = PartCache(budget: 10)
    let ledger = CacheLedger()
    try cache.withPart(part(1), as: Weight.self, ledger: ledger) { _ in
      try use(2, cache, ledger)
      try use(1, cache, ledger)
      #expect(cache.byteCount <= 20)
    }
    #expect(cache.byteCount <= 10)
    #expect(ledger.counts.hits == 1)
  }

  @Test func budgetOfNothingHoldsNothing() throws {
    let cache = PartCache(budget: 0)
    let ledger = CacheLedger()
    for _ in 0..<3 { try use(1, cache, ledger) }
    #expect(cache.byteCount == 0 && ledger.counts.misses == 3 && ledger.counts.bypasses == 3)
  }

  @Test func aFailedLoadLeavesNothingBehind() throws {
    let cache = PartCache(budget: 100)
    let ledger = CacheLedger()
    #expect(throws: Missing()) {
      try cache.withPart(part(1) { throw Missing() }, as: Weight.self, ledger: ledger) { _ in }
    }
    #expect(cache.count == 0 && ledger.counts.misses == 0)
    try use(1, cache, ledger)
  }

  @Test func forgetsAModel() throws {
    let cache = PartCache(budget: 100)
    let ledger = CacheLedger()
    try use(1, cache, ledger)
    try cache.withPart(part(1, model: "other", bytes: 7), as: Weight.self, ledger: ledger) { _ in }
    cache.removeAll(model: "m")
    #expect(cache.byteCount == 7)
  }

  /// What two models have in common is held once, and stays when one of them goes.
  @Test func twinsAreHeldOnce() throws {
    let cache = PartCache(budget: 1000)
    let ledger = CacheLedger()
    func use(_ model: String, _ place: Int, _ content: Int) throws -> Int {
      let part = PartUse(key: PartKey(model: model, path: "ff.experts.\(place)"), byteCount: 10) {
        Weight(number: content, byteCount: 10)
      }
      return try cache.withPart(part, as: Weight.self, ledger: ledger) { $0.number }
    }
    #expect(try [use("a", 0, 7), use("a", 1, 8), use("b", 0, 8), use("b", 1, 9)] == [7, 8, 8, 9])
    #expect(cache.byteCount == 30 && cache.count == 3)
    #expect(try [use("b", 0, 8), use("a", 1, 8)] == [8, 8])
    #expect(ledger.counts.misses == 4 && ledger.counts.hits == 2)
    // Without the model that held it, the other reads its own again.
    cache.removeAll(model: "a")
    #expect(try use("b", 0, 8) == 8)
    #expect(cache.byteCount == 20 && ledger.counts.misses == 5)
  }

  /// Equal weights in layers that compute something else with them, such as another activation.
  @Test func equalWeightsWithOtherSettingsAreApart() throws {
    let cache = PartCache(budget: 1000)
    let ledger = CacheLedger()
    for model in ["gelu", "quick_gelu", "gelu"] {
      let part = PartUse(key: PartKey(model: model, path: "layers.0"), byteCount: 10) {
        Weight(number: 7, byteCount: 10, settings: [model])
      }
      let settings = try cache.withPart(part, as: Weight.self, ledger: ledger) { $0.settings }
      #expect(settings == [model])
    }
    #expect(cache.count == 2 && ledger.counts.hits == 1)
  }

  /// Many threads, few places: each expert is loaded by one thread at a time, the sum is kept.
  @Test func manyThreads() throws {
    let cache = PartCache(budget: 45)
    let ledger = CacheLedger()
    let loadsAtOnce = Mutex<[Int: Int]>([:])
    let wrong = Atomic<Int>(0)
    DispatchQueue.concurrentPerform(iterations: 8) { thread in
      for round in 0..<300 {
        let number = (thread * 7 + round * 3) % 9
        do {
          let part = part(number) {
            let together = loadsAtOnce.withLock {
              $0[number, default: 0] += 1
              return $0[number] ?? 0
            }
            if together > 1 { wrong.add(1, ordering: .relaxed) }
            defer { loadsAtOnce.withLock { $0[number, default: 0] -= 1 } }
            return Weight(number: number, byteCount: 10)
          }
          try cache.withPart(part, as: Weight.self, ledger: ledger) {
            if $0.number != number { wrong.add(1, ordering: .relaxed) }
          }
        } catch {
          wrong.add(1, ordering: .relaxed)
        }
      }
    }
    #expect(wrong.load(ordering: .relaxed) == 0)
    #expect(cache.byteCount <= 45)
    #expect(ledger.counts.hits + ledger.counts.misses == 2400)
  }
}
