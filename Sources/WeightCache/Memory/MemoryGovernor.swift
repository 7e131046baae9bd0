import Checkpoints
import Synchronization
import Tensors

/// The one owner of the process's memory: of its budget, of what it takes beside weights and tensors, of how much freed
/// memory is kept for the next tensors, and of the room for weights. Nothing else sets any of these.
///
/// A render asks it in this order:
///
/// ```swift
/// let standing = governor.standing(known: kept)                // what is there already
/// try governor.admit(plan, standing)                           // or an error that names the smallest budget
/// governor.enter(step, standing, kept: kept, ledger: ledger)   // before each phase
/// ```
///
/// The budget is kept by construction. A phase's tensors are known before it begins, what the process takes beside them
/// is measured, and the rest is for weights. The memory that tensors share belongs to the process, so a process has one
/// governor at work. For works side by side it has others made (`beside`), which share all that: each work has a share
/// of the budget, the most that it takes at one time, and weights have what all of them leave.
package final class MemoryGovernor: Sendable {
  /// What governors that share the process's memory have in common.
  final class Common: Sendable {
    let state: Mutex<State>

    init(budget: MemoryBudget?) { state = Mutex(State(process: budget, current: budget)) }
  }

  struct State {
    /// What the process may take; nil: there is no bound.
    var process: MemoryBudget?
    /// What the work at hand may take: no more than the process.
    var current: MemoryBudget?
    /// The least that the process took beside weights and tensors, in bytes.
    var least: Int?
    /// What it took beside them when a work measured it that had none beside it, in bytes.
    var measured = 0
    var shares = MemoryShares()
  }

  /// The weights of all models.
  package let cache: PartCache
  let common: Common
  /// The number of its share.
  let own: Int
  /// What the tensors of its work are counted by; nil: it is the process's only one.
  package let lane: WorkLane?

  /// - Parameters:
  ///   - budget: what the process may take; nil: there is no bound, and `cache` keeps its own.
  ///   - cache: the weights of all models.
  package init(budget: MemoryBudget?, cache: PartCache) {
    self.cache = cache
    common = Common(budget: budget)
    (own, lane) = (0, nil)
  }

  /// A governor for one of several works side by side, of the same memory and weights as another.
  /// - Parameter other: the other one; its own share takes nothing.
  init(beside other: MemoryGovernor) {
    let lane = WorkLane()
    (cache, common, self.lane) = (other.cache, other.common, lane)
    own = common.state.withLock { $0.shares.add(lane) }
  }

  /// - Parameters:
  ///   - budget: what the process may take; nil: there is no bound.
  ///   - policy: which weights leave first.
  package convenience init(budget: MemoryBudget?, policy: CachePolicy = .nextUse) {
    self.init(budget: budget, cache: PartCache(budget: budget?.bytes, policy: policy))
  }

  // MARK: The budget

  /// What the process may take; nil: there is no bound.
  package var budget: MemoryBudget? { common.state.withLock { $0.process } }

  /// Changes what the process may take, and with it what the work at hand may take. Between two jobs.
  /// - Parameter budget: nil: there is no bound.
  package func setBudget(_ budget: MemoryBudget?) {
    change { ($0.process, $0.current) = (budget, budget) }
  }

  /// If nobody gave a budget, measures again what the machine has left: others may have come or gone. Between two jobs.
  /// - Returns: the new budget if it differs by more than an eighth; nil if it stays as it was.
  package func measureAgain() -> MemoryBudget? {
    guard let old = budget, old.source == .machine, let new = MemoryBudget.chosen(given: nil),
      Self.differ(old, new)
    else { return nil }
    setBudget(new)
    return new
  }

  /// Whether two budgets differ by more than an eighth of the first.
  package static func differ(_ a: MemoryBudget, _ b: MemoryBudget) -> Bool {
    abs(a.bytes - b.bytes) > a.bytes / 8
  }

  /// Bounds the work at hand: weights that an earlier job was allowed leave.
  /// - Parameter bytes: what it may take, if that is less than the process may; nil: as much as the process may.
  package func limit(to bytes: Int?) {
    change { state in
      state.current = state.process
      guard let bytes, bytes < state.process?.bytes ?? .max else { return }
      state.current = MemoryBudget(bytes: bytes)
    }
  }

  /// Bytes for tensors and weights while a picture is decoded, which decide whether it goes in tiles; nil: there is no bound.
  /// Budgets, or without one what the machine has, decide alone: whatever is loaded, free or at work at the moment changes no
  /// picture.
  /// - Parameter asked: the budget that the request asks for in bytes; nil if it asks for none.
  package func roomToDecode(asked: Int?) -> Int? {
    let process = common.state.withLock { $0.process }
    let given = [asked, process?.source == .given ? process?.bytes : nil].compactMap { $0 }.min()
    return (given ?? process?.basis).map(Self.roomToDecode)
  }

  /// Bytes for a decode's tensors and weights under a budget.
  package static func roomToDecode(budget: Int) -> Int { max(0, budget - MemoryBudget.usual) }

  private func change(_ body: (inout State) -> Void) {
    let (before, after) = common.state.withLock { state in
      let before = state.current
      body(&state)
      return (before, state.current)
    }
    if before != nil, after == nil {
      cache.setBudget(nil, ledger: CacheLedger())
      TensorMemory.setLimit(nil)
    }
    giveRoom()
  }

  /// Gives weights all that nobody else takes.
  func giveRoom() { share(standing(), kept: 0, tensors: 0, others: 0, CacheLedger()) }

  // MARK: A render

  /// Measures what the process takes.
  /// - Parameters:
  ///   - known: bytes of tensors that are there and that the plan counts.
  ///   - beside: bytes of tensors that other renders hold meanwhile.
  package func standing(known: Int = 0, beside: Int = 0) -> MemoryStanding {
    let tensors = TensorMemory.now
    let others = common.state.withLock { $0.shares.others(than: own) }
    let unknown = max(0, tensors.live - cache.byteCount - known - beside - others.live)
    let resident = Int(ResidentMemory.bytes)
    let measured = max(0, resident - tensors.spare - tensors.live)
    guard hasOthers else {
      let (budget, alone) = (common.state.withLock { $0.current }, reckon(measured: measured))
      common.state.withLock { $0.measured = measured }
      return MemoryStanding(budget: budget, alone: alone + unknown, beside: beside, others: others)
    }
    // Works beside this one took and gave memory while it was measured.
    let after = TensorMemory.now
    let live = common.state.withLock { $0.shares.others(than: own).live }
    let unknownAfter = max(0, after.live - cache.byteCount - known - beside - live)
    let measuredAfter = max(0, resident - after.spare - after.live)
    let (budget, low, high) = common.state.withLock { state in
      func reckon(_ now: Int) -> Int { Self.reckon(max(now, state.measured), least: state.least ?? now) }
      return (state.current, reckon(min(measured, measuredAfter)), reckon(max(measured, measuredAfter)))
    }
    let alone = low + min(unknown, unknownAfter)
    return MemoryStanding(
      budget: budget, alone: alone, beside: beside, others: others,
      doubt: high + max(unknown, unknownAfter) - alone)
  }

  /// What to reckon with beside weights and tensors: what was measured, and a margin for what comes while a render runs
  /// (scratch memory, heaps, pages of the program). The first measurement is made before anything of that is there.
  /// Later ones find it, and must not have the margin added once more: a budget that is enough for one picture must be
  /// enough for the next.
  /// - Parameter now: bytes.
  package func reckon(measured now: Int) -> Int {
    let least = common.state.withLock { state in
      let smaller = min(state.least ?? now, now)
      state.least = smaller
      return smaller
    }
    return Self.reckon(now, least: least)
  }

  private static func reckon(_ now: Int, least: Int) -> Int {
    max(least + MemoryBudget.margin, now + MemoryBudget.leastMargin)
  }

  /// Lets a render begin if there is room for it.
  /// - Parameters:
  ///   - plan: what the render takes.
  ///   - standing: as it was measured when the plan was made.
  /// - Throws: `MemoryError`.
  package func admit(_ plan: MemoryPlan, _ standing: MemoryStanding) throws {
    if let budget = standing.budget, !reserve(plan.smallest, tensors: plan.largestPhase, standing) {
      throw MemoryError(budget, smallest: standing.budget(for: plan.enough))
    }
    guard MemoryRefusal.prepare(forBlocksOf: plan.largestBlock),
      TensorMemory.isAvailable(plan.smallest + MemoryBudget.margin)
    else { throw MemoryError.refused(bytes: plan.smallest) }
    common.state.withLock { $0.shares[own].largestPhase = plan.largestPhase }
  }

  /// Gives a phase's tensors their room, and weights the rest.
  /// - Parameters:
  ///   - phase: what it takes.
  ///   - standing: as it was measured.
  ///   - kept: bytes of known tensors that stay during the phase and that it does not count.
  ///   - ledger: where weights that leave are counted.
  package func enter(_ phase: PhasePlan, _ standing: MemoryStanding, kept: Int = 0, ledger: CacheLedger) {
    share(standing, kept: kept, tensors: phase.tensorBytes, others: 0, ledger)
  }

  /// Whether there is room for work between two runs of the phase that was entered last, in the memory of its tensors.
  package func hasRoom(for phase: PhasePlan) -> Bool {
    let (isBound, bytes) = common.state.withLock { ($0.current != nil, $0.shares[own].phaseBytes) }
    return !isBound || phase.tensorBytes <= bytes && phase.largestPart <= cache.budget ?? .max
  }

  /// Makes room for so many bytes that no plan counts, such as a picture that is read. Weights leave for them.
  /// - Parameters:
  ///   - bytes: how many.
  ///   - plan: the plan of the render that follows, so that a refusal names a budget that is enough for both.
  /// - Throws: `MemoryError` if there is not as much.
  package func spare(_ bytes: Int, before plan: MemoryPlan? = nil) throws {
    let standing = standing()
    let smallest = max(bytes, plan?.smallest ?? 0)
    if let budget = standing.budget, !reserve(smallest, tensors: bytes, standing) {
      throw MemoryError(budget, smallest: standing.budget(for: max(smallest, plan?.enough ?? 0)))
    }
    share(standing, kept: 0, tensors: 0, others: bytes, CacheLedger())
  }

  /// Prepares for opening a model. What stays of one, norms and gates, is small and in no plan. Weights leave for
  /// headers and configurations that are larger than any ordinary model's, and for the factors of large LoRAs.
  /// - Parameters:
  ///   - paths: the files and folders that are opened, LoRAs among them.
  ///   - loras: those of them that are LoRAs.
  /// - Throws: `MemoryError` if there is no room for them, `MemoryRefusal`.
  package func prepareToOpen(_ paths: [String], loras: [String] = []) throws {
    let headers = OpeningCost.beyondOrdinary(paths)
    if headers > 0 { try spare(headers) }
    let factors = OpeningCost.ofFactors(loras)
    if factors > 0 { try spare(headers + factors) }
    guard MemoryRefusal.prepare(forBlocksOf: Self.largestOpened) else { throw MemoryRefusal() }
  }

  /// Hands freed memory that nobody waits for back to the system, after a model was unloaded.
  package func tidy() { TensorMemory.trimHeap() }

  /// A block of what stays of a model is never larger, in bytes.
  private static let largestOpened = 64 << 20

  /// Gives weights what is left, and bounds what freed tensors keep.
  private func share(
    _ standing: MemoryStanding, kept: Int, tensors: Int, others: Int, _ ledger: CacheLedger
  ) {
    common.state.withLock { $0.shares[own].phaseBytes = tensors }
    guard let budget = standing.budget else { return }
    let (now, largestPhases) = common.state.withLock {
      ($0.shares.others(than: own), $0.shares.largestPhases)
    }
    // Others may have begun since that was measured.
    let (fixed, grown) = (standing.fixed + kept, max(0, now.tensors - standing.others.tensors))
    cache.setBudget(max(0, budget.bytes - fixed - grown - tensors - others), ledger: ledger)
    let besideTensors =
      fixed - standing.others.tensors - (TensorMemory.now.live - cache.byteCount - now.live)
    // Freed memory is kept for the next step, because the kernel clears pages that it gives anew. What a person gave
    // is there to be used. Of what the machine has left no more is kept than a phase can use.
    let most =
      budget.source == .machine ? max(largestPhases, tensors) + MemoryBudget.margin : nil
    TensorMemory.setLimit(budget.bytes - max(MemoryBudget.margin, besideTensors) - others, spare: most)
  }
}
