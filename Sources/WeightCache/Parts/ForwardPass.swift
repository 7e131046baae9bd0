import Synchronization
import Tensors

/// What every layer needs besides its input.
package struct ForwardPass: Sendable {
  /// Where numbers are computed.
  package let compute: Compute
  /// Counts loads and evictions of weights.
  package let ledger: CacheLedger
  /// Called with the path (`…transformer_blocks.0.attn1.to_q`) and input of every layer that a merge could replace,
  /// before the layer runs. Merging computes gates from these inputs.
  package let observe: (@Sendable (_ path: String, _ input: Tensor) -> Void)?
  /// Set if nothing is to be computed: notes what would be used.
  package let plan: PassPlan?
  /// Set if several images go through the network together.
  private(set) var place: Lockstep.Place?

  package init(
    compute: Compute, ledger: CacheLedger = CacheLedger(),
    observe: (@Sendable (_ path: String, _ input: Tensor) -> Void)? = nil
  ) {
    self.compute = compute
    self.ledger = ledger
    self.observe = observe
    plan = nil
  }

  /// The same pass, with group normalization by shared moments.
  package func sharing(_ moments: GroupMoments) -> ForwardPass {
    ForwardPass(compute: compute.sharing(moments), ledger: ledger, observe: observe, plan: plan, place: place)
  }

  /// The same pass, in lockstep with other images.
  package func walking(at place: Lockstep.Place) -> ForwardPass {
    ForwardPass(compute: compute, ledger: ledger, observe: observe, plan: plan, place: place)
  }

  private init(
    compute: Compute, ledger: CacheLedger,
    observe: (@Sendable (_ path: String, _ input: Tensor) -> Void)?, plan: PassPlan?,
    place: Lockstep.Place?
  ) {
    self.compute = compute
    self.ledger = ledger
    self.observe = observe
    self.plan = plan
    self.place = place
  }

  /// A pass that reads and computes nothing.
  package init(planning plan: PassPlan) {
    compute = Compute(planning: plan.meter, taskThreads: plan.taskThreads)
    ledger = CacheLedger()
    observe = nil
    self.plan = plan
  }
}

/// What a pass would take: memory of its tensors, and parts in the order of their use.
package final class PassPlan: Sendable {
  let meter = MemoryMeter()
  private let parts = Mutex<[PartUse]>([])
  /// The threads for which work is cut into tasks.
  let taskThreads: Int

  /// - Parameter compute: what the pass would compute on.
  package init(on compute: Compute) { taskThreads = compute.taskThreads }

  /// - Parameter taskThreads: the threads for which work is cut into tasks.
  package init(taskThreads: Int) { self.taskThreads = taskThreads }

  /// The most bytes of tensors at one time.
  package var tensorBytes: Int { meter.peak }

  /// Bytes of the largest tensor.
  package var largestTensor: Int { meter.largest }

  /// Bytes of tensors that are still there.
  package var liveBytes: Int { meter.live }

  /// All uses, in order. Which experts a mixture will choose is unknown, so any are named, as many as will be chosen.
  package var uses: [PartUse] { parts.withLock { $0 } }

  func note(_ use: PartUse) { parts.withLock { $0.append(use) } }
}
