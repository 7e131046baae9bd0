import Tensors
import Testing
import WeightCache

/// The budget of a process: where it comes from, what it reckons with, and whom it refuses.
@Suite(.serialized) struct MemoryGovernorTests {
  private let margin = MemoryBudget.margin
  private let left = MemoryBudget.leastMargin

  private func governor(_ budget: MemoryBudget?) -> MemoryGovernor {
    MemoryGovernor(budget: budget, cache: PartCache(prefetches: false))
  }

  private func plan(_ smallest: Int) -> MemoryPlan {
    MemoryPlan(smallest: smallest, largestPhase: smallest, largestBlock: 1 << 20)
  }

  /// What the margin is there for must not have it added once more.
  @Test func growthComesOutOfTheMargin() {
    let governor = governor(nil)
    let first = governor.reckon(measured: 50 << 20)
    #expect(first == 50 << 20 + margin)
    #expect(governor.reckon(measured: 80 << 20) == first)
    #expect(governor.reckon(measured: 50 << 20 + margin - left) == first)
  }

  /// But some of it is always left.
  @Test func someOfTheMarginStays() {
    let governor = governor(nil)
    _ = governor.reckon(measured: 50 << 20)
    #expect(governor.reckon(measured: 200 << 20) == 200 << 20 + left)
    #expect(governor.reckon(measured: 40 << 20) == 40 << 20 + margin)
  }

  /// A sixteenth is left to others, 128 MiB at least, half at most.
  @Test func theMachineKeepsAReserve() {
    func budget(_ available: Int, _ resident: Int) -> Int {
      MemoryBudget.machine(available: available, resident: resident, total: 64 << 30).bytes
    }
    #expect(budget(31 << 30, 1 << 30) == 30 << 30)
    #expect(budget(900 << 20, 100 << 20) == 872 << 20)
    #expect(budget(100 << 20, 20 << 20) == 60 << 20)
    #expect(budget(0, 0) == 0)
    // Whole mebibytes.
    #expect(budget(900 << 20 + 12_345, 100 << 20) == 872 << 20)
  }

  @Test func whatAPersonGivesCounts() throws {
    #expect(MemoryBudget.chosen(given: 5) == MemoryBudget(bytes: 5, source: .given))
    let machine = try #require(MemoryBudget.chosen(given: nil))
    #expect(machine.source == .machine && machine.bytes > 0 && machine.bytes % (1 << 20) == 0)
  }

  @Test func aBudgetIsWrittenAsTheOptionTakesIt() {
    #expect(MemoryBudget(bytes: 4 << 30).description == "4GiB")
    #expect(MemoryBudget(bytes: 1536 << 20).description == "1536MiB")
    #expect(MemoryBudget(bytes: 12_345).description == "12345")
    #expect(MemoryBudget(bytes: 2 << 30, source: .machine).description == "2GiB, what this machine has left")
  }

  /// Pictures must not differ for what is free at the moment, or for what else the process holds.
  @Test func whatTheMachineHasDecidesHowToDecodeNotWhatIsLeft() throws {
    func room(_ available: Int, of total: Int?, asked: Int? = nil) -> Int? {
      governor(.machine(available: available, resident: 50 << 20, total: total)).roomToDecode(asked: asked)
    }
    let usual = MemoryBudget.usual
    #expect(room(31 << 30, of: 32 << 30) == 30 << 30 - usual)
    #expect(room(1 << 30, of: 32 << 30) == 30 << 30 - usual)
    #expect(room(1 << 30, of: nil) == .max - usual)
    // What a job asks for counts, whether or not there is as much at the moment.
    #expect(room(31 << 30, of: 32 << 30, asked: 4 << 30) == 4 << 30 - usual)
    #expect(room(1 << 30, of: 32 << 30, asked: 4 << 30) == 4 << 30 - usual)
    #expect(room(1 << 30, of: 32 << 30, asked: 64 << 30) == 64 << 30 - usual)
    #expect(room(1 << 30, of: 32 << 30, asked: 1 << 20) == 0)
    #expect(governor(nil).roomToDecode(asked: nil) == nil)
    #expect(governor(nil).roomToDecode(asked: 4 << 30) == 4 << 30 - usual)
  }

  @Test func aGivenBudgetDecidesHowToDecode() {
    let governor = governor(MemoryBudget(bytes: 1 << 30))
    let room = governor.roomToDecode(asked: nil)
    #expect(room == 1 << 30 - MemoryBudget.usual)
    let loaded = Tensor(shape: [128, 1 << 20], repeating: 1)
    withExtendedLifetime(loaded) {
      // What is measured knows of it, the decision does not.
      #expect(governor.standing().lacks(512 << 20))
      #expect(governor.roomToDecode(asked: nil) == room)
      #expect(governor.roomToDecode(asked: 900 << 20) == 900 << 20 - MemoryBudget.usual)
    }
    // The bound of a job is no other's.
    governor.limit(to: 900 << 20)
    #expect(governor.roomToDecode(asked: nil) == room)
  }

  /// What is enough under the budget that is named is what is named.
  @Test func aRefusalNamesWhatIsEnough() throws {
    let governor = governor(MemoryBudget(bytes: 1 << 20))
    let plan = MemoryPlan(smallest: 64 << 20, enough: 3 << 30, largestPhase: 64 << 20, largestBlock: 1 << 20)
    for refuse in [
      { try governor.admit(plan, governor.standing()) }, { try governor.spare(1, before: plan) },
    ] {
      do {
        try refuse()
        Issue.record("1 MiB is enough?")
      } catch MemoryError.budget(_, let smallest) {
        #expect(smallest > 3 << 30)
      }
    }
    #expect(MemoryError.machine(bytes: 1, smallest: 2).description.contains("--memory-budget"))
  }

  @Test func whatDoesNotFitIsRefusedWithWhatWould() throws {
    for (source, bytes) in [(MemoryBudget.Source.given, 1 << 20), (.machine, 1 << 20)] {
      let governor = governor(MemoryBudget(bytes: bytes, source: source))
      do {
        try governor.admit(plan(64 << 20), governor.standing())
        Issue.record("1 MiB is enough?")
      } catch MemoryError.budget(let given, let smallest) {
        #expect(source == .given && given == bytes && smallest > 64 << 20)
        let enough = self.governor(MemoryBudget(bytes: smallest + (4 << 30)))
        try enough.admit(plan(64 << 20), enough.standing())
      } catch MemoryError.machine(let given, let smallest) {
        #expect(source == .machine && given == bytes && smallest > 64 << 20)
      }
    }
    // More than there are addresses.
    #expect(throws: MemoryError.refused(bytes: 1 << 55)) {
      let governor = governor(nil)
      try governor.admit(plan(1 << 55), governor.standing())
    }
  }

  /// A job may ask for less than the process may take, never for more; the next job has it all again.
  @Test func aJobMayTakeLess() {
    let governor = governor(MemoryBudget(bytes: 8 << 30, source: .machine))
    governor.limit(to: 4 << 30)
    #expect(governor.standing().budget == MemoryBudget(bytes: 4 << 30))
    governor.limit(to: 16 << 30)
    #expect(governor.standing().budget == MemoryBudget(bytes: 8 << 30, source: .machine))
    governor.limit(to: 4 << 30)
    governor.limit(to: nil)
    #expect(governor.standing().budget?.bytes == 8 << 30)
    #expect(governor.budget?.bytes == 8 << 30)
  }

  /// Without a bound a job's own goes with the job.
  @Test func theBoundOfAJobGoesWithIt() {
    let governor = governor(nil)
    governor.limit(to: 4 << 30)
    #expect(governor.cache.budget != nil)
    governor.limit(to: nil)
    #expect(governor.cache.budget == nil && governor.standing().left == nil)
  }

  /// Weights get what a phase's tensors leave, and room that something else asks for comes out of theirs.
  @Test func weightsGetTheRest() throws {
    let governor = governor(MemoryBudget(bytes: 64 << 30))
    let standing = governor.standing(known: 0, beside: 1 << 20)
    let phase = PhasePlan(tensorBytes: 3 << 30, largestTensor: 1 << 20, uses: [], keptBytes: 0)
    governor.enter(phase, standing, kept: 5 << 20, ledger: CacheLedger())
    let room = try #require(standing.left) - (3 << 30) - (5 << 20)
    #expect(governor.cache.budget == room)
    try governor.spare(1 << 30)
    // Other tests come and go in this process.
    #expect(try #require(governor.cache.budget) < 63 << 30)
    #expect(throws: MemoryError.self) { try governor.spare(65 << 30) }
  }

  /// Small changes are none: a picture in tiles must not depend on them.
  @Test func onlyALargeChangeCounts() {
    let old = MemoryBudget(bytes: 8 << 30, source: .machine)
    #expect(!MemoryGovernor.differ(old, MemoryBudget(bytes: 9 << 30, source: .machine)))
    #expect(MemoryGovernor.differ(old, MemoryBudget(bytes: 10 << 30, source: .machine)))
    #expect(MemoryGovernor.differ(old, MemoryBudget(bytes: 6 << 30, source: .machine)))
    #expect(governor(old).budget == old && governor(MemoryBudget(bytes: 5)).measureAgain() == nil)
  }

  private func phase(_ tensors: Int, part: Int = 0) -> PhasePlan {
    let uses =
      part == 0 ? [] : [PartUse(key: PartKey(model: "m", path: "p"), byteCount: part) { NoWeights() }]
    return PhasePlan(tensorBytes: tensors, largestTensor: tensors, uses: uses, keptBytes: 3)
  }

  private struct NoWeights: Weighted {
    var byteCount: Int { 0 }
    func withWeights(_ body: (UnsafeRawBufferPointer) -> Void) {}
    var settings: [String] { [] }
  }

  /// Work between two steps gets a step's room, and more only if there is more.
  @Test func phasesThatTakeTurnsShareTheirRoom() {
    let step = phase(100, part: 40)
    #expect(step.sharing(with: nil, within: 10).tensorBytes == 100)
    #expect(step.sharing(with: phase(60, part: 400), within: 10).tensorBytes == 100)
    #expect(step.sharing(with: phase(160), within: nil).tensorBytes == 160)
    #expect(step.sharing(with: phase(160), within: 200).tensorBytes == 160)
    #expect(step.sharing(with: phase(160), within: 199).tensorBytes == 100)
    #expect(step.sharing(with: phase(160, part: 41), within: 200).tensorBytes == 100)
    let shared = step.sharing(with: phase(160, part: 1), within: 200)
    #expect(shared.largestPart == 40 && shared.keptBytes == 3)
  }

  @Test func onlyWhatAPhaseHasIsLent() {
    let governor = governor(MemoryBudget(bytes: 64 << 30))
    #expect(!governor.hasRoom(for: phase(1)))
    governor.enter(phase(1 << 20), governor.standing(), ledger: CacheLedger())
    #expect(governor.hasRoom(for: phase(1 << 20, part: 1 << 20)))
    #expect(!governor.hasRoom(for: phase(1 << 20 + 1)) && !governor.hasRoom(for: phase(1, part: 64 << 30)))
    governor.setBudget(nil)
    #expect(governor.hasRoom(for: phase(1 << 50, part: 1 << 50)))
  }
}
