import Tensors
import Testing

/// What several threads can reach, reckoned from the tasks of one.
@Suite struct ThreadPlanTests {
  private func plan(
    _ runs: [[SectionTrace.Section]], seconds: Double, handover: Double = 0
  ) -> ThreadPlan {
    ThreadPlan(runs.map { ($0, seconds) }, handover: handover)
  }

  private func section(_ layer: String?, _ tasks: Double...) -> SectionTrace.Section {
    SectionTrace.Section(layer: layer, tasks: tasks)
  }

  private func isClose(_ value: Double, _ wanted: Double) -> Bool { abs(value - wanted) < 1e-9 }

  @Test func evenTasksAreShared() {
    let cost = plan([[section("a", 1, 1, 1, 1)]], seconds: 4).cost(threads: 2)
    #expect(isClose(cost.seconds, 2) && isClose(cost.efficiency, 1) && isClose(cost.waiting, 0))
  }

  /// Three tasks on two threads: one of them works alone at the end.
  @Test func threadsWaitForTheLastTask() {
    let cost = plan([[section("a", 1, 1, 1)]], seconds: 3).cost(threads: 2)
    #expect(isClose(cost.seconds, 2) && isClose(cost.work, 1.5) && isClose(cost.waiting, 0.5))
    #expect(isClose(cost.efficiency, 0.75))
  }

  /// Tasks are taken in order, as the pool does it, so a long one at the end is waited for.
  @Test func tasksAreTakenInOrder() {
    #expect(isClose(plan([[section("a", 1, 1, 4)]], seconds: 6).cost(threads: 2).seconds, 5))
    #expect(isClose(plan([[section("a", 4, 1, 1)]], seconds: 6).cost(threads: 2).seconds, 4))
  }

  /// A section of one task keeps all other threads waiting, and so does what lies between sections.
  @Test func whatOneThreadDoesIsLost() {
    let cost = plan([[section("a", 2), section("b", 1, 1)]], seconds: 5, handover: 0.25).cost(threads: 2)
    #expect(isClose(cost.work, 2) && isClose(cost.waiting, 1) && isClose(cost.between, 1.25))
    #expect(isClose(cost.seconds, 4.25))
  }

  /// The time before a section is its layer's.
  @Test func preparingCountsForTheLayer() {
    let sections = [
      SectionTrace.Section(layer: "a", before: 0.5, tasks: [1, 1]),
      SectionTrace.Section(layer: "b", before: 0.25, tasks: [1, 1]),
    ]
    let plan = plan([sections], seconds: 5)
    #expect(isClose(plan.costs(threads: 2)["a"]?.between ?? 0, 0.5))
    #expect(self.plan([[]], seconds: 0).cost(threads: 2).share(\.between) == 0, "no time has no shares")
    #expect(isClose(plan.cost(threads: 2).between, 1) && isClose(plan.cost(threads: 2).work, 2))
  }

  /// With one thread the plan says what the run took.
  @Test func oneThreadTakesWhatItTook() {
    let cost = plan([[section("a", 2, 1), section(nil, 1)]], seconds: 5, handover: 0.25).cost(threads: 1)
    #expect(isClose(cost.seconds, 5) && isClose(cost.work, 4))
  }

  @Test func theShortestTimeOfEachTaskCounts() {
    let cost = ThreadPlan(
      [([section("a", 3, 1)], 4.5), ([section("a", 1, 3)], 5)], handover: 0
    ).cost(threads: 1)
    #expect(isClose(cost.work, 2) && isClose(cost.between, 0.5))
  }

  @Test func costsAreByLayer() {
    let plan = plan([[section("a", 1, 1, 1), section("b", 1), section("a", 1, 1)]], seconds: 6)
    let costs = plan.costs(threads: 2)
    #expect(isClose(costs["a"]?.seconds ?? 0, 3) && isClose(costs["b"]?.seconds ?? 0, 1))
    #expect(plan.fewestTasks(of: "a") == 2 && plan.fewestTasks(of: "b") == 1)
  }

  /// Every task of a real computation is there, under its layer.
  @Test func aTraceHasEveryTask() throws {
    let trace = SectionTrace()
    let compute = Compute(tracing: trace, taskThreads: 1)
    let a = Tensor(shape: [256, 64], repeating: 0.5)
    let weight = try PackedWeight(
      linear: WeightRows(Tensor(shape: [640, 64], repeating: 0.25)), precision: .f32)
    _ = compute.product(a, weight)
    let run = trace.record { _ = compute.product(a, weight) }
    #expect(!run.sections.isEmpty)
    #expect(run.sections.allSatisfy { $0.layer?.hasPrefix("linear ") == true && !$0.tasks.isEmpty })
    #expect(run.sections.allSatisfy { $0.before >= 0 })
    let (tasks, before) = (run.sections.map { $0.tasks.reduce(0, +) }, run.sections.map(\.before))
    let inTasks = tasks.reduce(0, +) + before.reduce(0, +)
    #expect(inTasks > 0 && inTasks <= run.seconds)
    // What is not recorded leaves nothing behind.
    _ = compute.product(a, weight)
    #expect(trace.record {}.sections.isEmpty)
  }
}
