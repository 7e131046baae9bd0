import Tensors
import Testing
import WeightCache

/// Works side by side in one process: what one holds, the others do not get, and whoever waits has his turn.
@Suite(.serialized) struct MemorySharesTests {
  private struct GivenUp: Error {}

  private func pair(_ budget: Int = 64 << 30) -> (MemoryGovernor, MemoryGovernor) {
    let process = MemoryGovernor(
      budget: MemoryBudget(bytes: budget), cache: PartCache(prefetches: false))
    return (process.beside(), process.beside())
  }

  /// Whether a work could begin now.
  private func begins(_ governor: MemoryGovernor, alone: Bool = false) -> Bool {
    (try? governor.begin(alone: alone) { throw GivenUp() }) != nil
  }

  @Test func whatOneHoldsTheOthersDoNotGet() throws {
    let (one, other) = pair()
    try one.begin { throw GivenUp() }
    try other.begin { throw GivenUp() }
    let (first, second) = (one.standing(), other.standing())
    let room = try #require(other.roomToDecode(asked: nil))
    #expect(room == one.roomToDecode(asked: nil) && other.hasOthers && !other.isAlone)
    #expect(one.reserve(40 << 30, tensors: 30 << 30, first))
    // By what was measured before, it would fit: what others have taken since then counts.
    #expect(!second.lacks(40 << 30) && !other.reserve(40 << 30, tensors: 30 << 30, second))
    #expect(other.standing().lacks(24 << 30) && !other.standing().lacks(20 << 30))
    #expect(other.reserve(20 << 30, tensors: 20 << 30, second))
    // How a picture is decoded depends on the budget, and not on who works beside it.
    #expect(other.roomToDecode(asked: nil) == room && room > 60 << 30)
    // Weights get what the tensors of both leave, and the parts of the first are among them.
    let phase = PhasePlan(tensorBytes: 20 << 30, largestTensor: 1, uses: [], keptBytes: 0)
    other.enter(phase, other.standing(), ledger: CacheLedger())
    let weights = try #require(other.cache.budget)
    #expect(weights > 10 << 30 && weights < 14 << 30)
    one.end()
    #expect(!other.hasOthers && !other.standing().lacks(60 << 30))
  }

  @Test func whoIsKnownToTakeLessLeavesMore() throws {
    let (one, other) = pair()
    try one.begin { throw GivenUp() }
    try other.begin { throw GivenUp() }
    #expect(one.reserve(50 << 30, tensors: 50 << 30, one.standing()))
    #expect(other.standing().lacks(20 << 30))
    one.hold(10 << 30, tensors: 5 << 30)
    #expect(!other.standing().lacks(20 << 30))
  }

  /// It keeps others from beginning, has given up what it had, and has its turn before those who came later.
  @Test func whoIsTooLargeWaitsToBeAlone() throws {
    let (one, other) = pair()
    try one.begin { throw GivenUp() }
    try other.begin { throw GivenUp() }
    #expect(one.reserve(30 << 30, tensors: 30 << 30, one.standing()))
    var waits = 0
    try other.waitToBeAlone {
      waits += 1
      #expect(!one.hasOthers && one.isTaken)
      // The first is over; it does not overtake with its next work.
      if waits == 1 { one.end() } else { throw GivenUp() }
      #expect(!begins(one))
    }
    #expect(waits == 1 && other.isAlone && one.isTaken)
    #expect(other.reserve(58 << 30, tensors: 58 << 30, other.standing()))
    #expect(!begins(one))
    other.letOthersBegin()
    #expect(begins(one) && !other.isAlone)
    #expect(!one.reserve(10 << 30, tensors: 10 << 30, one.standing()))
    other.end()
    #expect(one.reserve(10 << 30, tensors: 10 << 30, one.standing()))
  }

  /// Nobody waits for one who has given up.
  @Test func whoGivesUpLeavesTheLine() throws {
    let (one, other) = pair()
    try one.begin { throw GivenUp() }
    #expect(!begins(other, alone: true))
    #expect(!one.isTaken && begins(other))
    #expect(throws: GivenUp.self) { try one.waitToBeAlone { throw GivenUp() } }
    #expect(!other.hasOthers && !other.isTaken)
  }

  /// A budget of its own bounds the process, so nobody is there beside it; with the work it is over.
  @Test func aBudgetOfItsOwnIsForOneAlone() throws {
    let (one, other) = pair()
    #expect(one.narrows(1 << 30) && !one.narrows(64 << 30) && !one.narrows(nil))
    try one.begin(alone: true) { throw GivenUp() }
    one.limit(to: 1 << 30)
    #expect(!begins(other) && one.standing().budget?.bytes == 1 << 30)
    one.end()
    #expect(begins(other) && other.standing().budget?.bytes == 64 << 30)
  }

  /// Tensors of one lane are not taken for what the process takes beside all; weights that it reads are the cache's.
  @Test func tensorsAreCountedByLane() throws {
    let (one, other) = pair()
    let lane = try #require(one.lane)
    let made = WorkLane.$current.withValue(lane) { Self.tensor(0) }
    withExtendedLifetime(made) { #expect(lane.liveBytes >= 4 << 20 && other.lane?.liveBytes == 0) }
    let use = PartUse(key: PartKey(model: "m", path: "p"), byteCount: 4 << 20) {
      Held(content: Self.tensor(0))
    }
    let before = lane.liveBytes
    try WorkLane.$current.withValue(lane) {
      try one.cache.withPart(use, as: Held.self, ledger: CacheLedger()) { _ in
        #expect(lane.liveBytes == before)
      }
    }
  }

  private struct Held: Weighted {
    let content: Tensor
    var byteCount: Int { 4 << 20 }
    func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) { content.withBytes(body) }
    var settings: [String] { [] }
  }

  /// A step of one work in the midst of another's: of each it is known what it needs next.
  @Test func eachLaneHasItsForecast() throws {
    let cache = PartCache(budget: 40, prefetches: false)
    let (one, other, ledger) = (WorkLane(), WorkLane(), CacheLedger())
    func key(_ path: String) -> PartKey { PartKey(model: "m", path: path) }
    func use(_ path: String) throws {
      let use = PartUse(key: key(path), byteCount: 10) { Small() }
      try cache.withPart(use, as: Small.self, ledger: ledger) { _ in }
    }
    try WorkLane.$current.withValue(one) {
      try cache.step(ledger: ledger) {
        try use("a0")
        try WorkLane.$current.withValue(other) {
          try cache.step(ledger: ledger) {
            try use("b0")
            try use("b1")
          }
        }
        try use("a1")
      }
    }
    // What comes now takes the room of what is needed last.
    try use("c")
    #expect(cache.keys == [key("a0"), key("a1"), key("b0"), key("c")])
    #expect(ledger.counts.misses == 5 && ledger.counts.evictions + ledger.counts.bypasses == 1)
  }

  private struct Small: Weighted {
    var byteCount: Int { 10 }
    func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {}
    var settings: [String] { [] }
  }

  /// A model is unloaded while another work uses a part that both have: the part is lent and given back under one name.
  @Test func aTwinThatIsInUseIsGivenBack() throws {
    let cache = PartCache(prefetches: false)
    let ledger = CacheLedger()
    func use(_ model: String) -> PartUse {
      PartUse(key: PartKey(model: model, path: "p"), byteCount: 4 << 20) { Held(content: Self.content) }
    }
    try cache.withPart(use("a"), as: Held.self, ledger: ledger) { _ in }
    try cache.withPart(use("b"), as: Held.self, ledger: ledger) { _ in cache.removeAll(model: "b") }
    cache.setBudget(0, ledger: ledger)
    #expect(cache.count == 0)
  }

  private static let content = tensor(1)

  private static func tensor(_ value: Float) -> Tensor {
    Tensor(shape: [1 << 20], values: [Float](repeating: value, count: 1 << 20))
  }
}
