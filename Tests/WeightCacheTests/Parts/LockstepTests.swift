import Synchronization
import Tensors
import Testing
import WeightCache

/// Passes of several images, part by part together.
@Suite struct LockstepTests {
  private struct Broken: Error {}

  @Test func allUseAPartBeforeOneGoesOn() {
    let order = Mutex<[String]>([])
    let results = Lockstep.run(3) { place in
      for part in 0..<4 {
        order.withLock { $0.append("\(part).\(place.index)") }
        place.letOthersUse()
      }
      return place.index * 10
    }
    #expect(results.compactMap { try? $0.get() } == [0, 10, 20])
    #expect(order.withLock { $0 } == (0..<4).flatMap { part in (0..<3).map { "\(part).\($0)" } })
  }

  /// One that fails early, or has fewer parts to use, does not hold the others up.
  @Test func oneLeavesTheOthersGoOn() {
    let used = Mutex<[Int]>([0, 0, 0])
    let results = Lockstep.run(3) { place in
      for part in 0..<6 {
        if place.index == 0 && part == 2 { throw Broken() }
        if place.index == 2 && part == 4 { break }
        used.withLock { $0[place.index] += 1 }
        place.letOthersUse()
      }
    }
    #expect(throws: Broken.self) { try results[0].get() }
    #expect((try? results[1].get()) != nil && (try? results[2].get()) != nil)
    #expect(used.withLock { $0 } == [2, 6, 4])
  }

  @Test func aloneItIsACall() {
    let results = Lockstep.run(1) { place in
      place.letOthersUse()
      return place.index
    }
    #expect(results.compactMap { try? $0.get() } == [0])
  }

  /// Where there is room for two parts, three images read each part once: one after the other would read all of
  /// them three times.
  @Test func oneReadServesAll() throws {
    let reads = Mutex(0)
    let cache = PartCache(budget: 160, prefetches: false)
    let uses = (0..<8).map { index in
      PartUse(key: PartKey(model: "m", path: "\(index)"), byteCount: 80) {
        reads.withLock { $0 += 1 }
        return Weights80()
      }
    }
    cache.expect(cycle: uses.flatMap { [$0, $0, $0] })
    let ledger = CacheLedger()
    for _ in 0..<2 {
      let results = cache.step(ledger: ledger) {
        Lockstep.run(3) { place in
          for use in uses {
            try cache.withPart(use, as: Weights80.self, ledger: ledger) { _ in }
            place.letOthersUse()
          }
        }
      }
      for result in results { try result.get() }
    }
    #expect(reads.withLock { $0 } == 16)
    #expect(ledger.counts.hits == 32 && ledger.counts.misses == 16)
  }

  private struct Weights80: Weighted {
    var byteCount: Int { 80 }
    func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {}
    var settings: [String] { [] }
  }
}
