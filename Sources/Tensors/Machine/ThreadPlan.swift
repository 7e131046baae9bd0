/// What a number of threads can reach at best with the tasks of a computation: a thread takes the next task of a section
/// when it is free, and the next section begins when the last task has ended. Memory that is too slow for so many threads
/// is not counted, so a real machine takes longer.
package struct ThreadPlan: Sendable {
  /// Where the time of all threads goes, in seconds of the whole computation.
  package struct Cost: Sendable, Equatable {
    /// Threads compute.
    package var work = 0.0
    /// Threads wait for the last task of their section.
    package var waiting = 0.0
    /// One thread prepares the next section, and the others wait.
    package var between = 0.0

    /// Seconds from start to end.
    package var seconds: Double { work + waiting + between }

    /// The share of the time in which threads compute.
    package var efficiency: Double { seconds > 0 ? work / seconds : 1 }

    /// The share of the time that a part of it takes; 0 of no time.
    package func share(_ part: KeyPath<Cost, Double>) -> Double {
      seconds > 0 ? self[keyPath: part] / seconds : 0
    }

    /// The sum of both.
    package static func + (one: Cost, other: Cost) -> Cost {
      Cost(
        work: one.work + other.work, waiting: one.waiting + other.waiting,
        between: one.between + other.between)
    }
  }

  private let sections: [SectionTrace.Section]
  /// Seconds after the last section.
  private let rest: Double
  /// Seconds to start a section on several threads and to see its end.
  private let handover: Double

  /// - Parameters:
  ///   - runs: the same computation, traced several times: of each task, and of the time before each section, the
  ///     shortest counts. One at least.
  ///   - handover: seconds to start a section on several threads and to see its end.
  package init(_ runs: [(sections: [SectionTrace.Section], seconds: Double)], handover: Double) {
    var best = runs.first?.sections ?? []
    for run in runs.dropFirst() where run.sections.map(\.tasks.count) == best.map(\.tasks.count) {
      for (index, section) in run.sections.enumerated() {
        best[index].tasks = zip(best[index].tasks, section.tasks).map(min)
        best[index].before = min(best[index].before, section.before)
      }
    }
    sections = best
    rest =
      runs.map { run in
        max(0, run.seconds - run.sections.reduce(0) { $0 + $1.before + $1.tasks.reduce(0, +) })
      }.min() ?? 0
    self.handover = handover
  }

  /// The cost of the whole computation.
  package func cost(threads: Int) -> Cost {
    let between = Cost(between: rest)
    return costs(threads: threads).values.reduce(between, +)
  }

  /// The cost of each layer; that of sections outside of any under nil.
  package func costs(threads: Int) -> [String?: Cost] {
    sections.reduce(into: [:]) { costs, section in
      costs[section.layer] =
        (costs[section.layer] ?? Cost()) + cost(of: section.tasks, threads: threads)
        + Cost(between: section.before)
    }
  }

  /// Tasks of a layer's section with the fewest.
  package func fewestTasks(of layer: String?) -> Int {
    sections.filter { $0.layer == layer }.map(\.tasks.count).min() ?? 0
  }

  private func cost(of tasks: [Double], threads: Int) -> Cost {
    let work = tasks.reduce(0, +)
    guard threads > 1, tasks.count > 1 else {
      let wait = work * (1 - 1 / Double(max(1, threads)))
      return Cost(work: work - wait, waiting: wait)
    }
    // When each thread is free; the earliest one takes the next task.
    var free = [Double](repeating: 0, count: min(threads, tasks.count))
    for task in tasks {
      let first = free.indices.min { free[$0] < free[$1] } ?? 0
      free[first] += task
    }
    let share = work / Double(threads)
    return Cost(work: share, waiting: (free.max() ?? 0) - share, between: handover)
  }
}
