import Foundation
import Tensors

/// The output of `bench --plan`, as JSON and as text: what a number of threads can reach at best.
struct BenchPlan: Encodable {
  let subject: String
  let width: Int
  let height: Int
  let precision: String
  /// The threads that were asked for.
  let threads: Int
  /// What one thread and more reach, the threads that were asked for last.
  let counts: [Count]
  /// The layers that lose most with all threads.
  let layers: [Layer]
  /// All threads shared out to several renders at the same time.
  let sideBySide: [Jobs]

  /// A number of threads.
  struct Count: Encodable {
    let threads: Int
    let seconds: Double
    /// The share of the time in which threads compute.
    let efficiency: Double
    /// The share in which they wait for the last task of a section.
    let waiting: Double
    /// The share in which one of them prepares the next section.
    let between: Double

    init(_ threads: Int, _ cost: ThreadPlan.Cost) {
      self.threads = threads
      seconds = cost.seconds
      efficiency = cost.efficiency
      waiting = cost.share(\.waiting)
      between = cost.share(\.between)
    }
  }

  /// A kind and shape of layer.
  struct Layer: Encodable {
    let layer: String
    /// With all threads.
    let seconds: Double
    let efficiency: Double
    /// Shares, as of a number of threads.
    let waiting: Double
    let between: Double
    /// Of its section with the fewest tasks.
    let tasks: Int
  }

  /// Renders at the same time, each with an equal share of the threads.
  struct Jobs: Encodable {
    let jobs: Int
    let threadsEach: Int
    /// Runs that end in a second, of all jobs together.
    let runsPerSecond: Double
  }

  /// Several jobs are worth their memory if they do so much more than one.
  static let worthwhile = 1.05

  init(
    subject: BenchSubject, width: Int, height: Int, precision: String, threads: Int, plan: ThreadPlan
  ) {
    self.subject = subject.rawValue
    self.width = width
    self.height = height
    self.precision = precision
    self.threads = threads
    var steps = Array(sequence(first: 1) { $0 * 2 }.prefix { $0 < threads })
    steps.append(threads)
    counts = steps.map { Count($0, plan.cost(threads: $0)) }
    layers = plan.costs(threads: threads).sorted {
      $0.value.seconds - $0.value.work > $1.value.seconds - $1.value.work
    }.prefix(12).map { layer, cost in
      Layer(
        layer: layer ?? "outside of layers", seconds: cost.seconds, efficiency: cost.efficiency,
        waiting: cost.share(\.waiting), between: cost.share(\.between),
        tasks: plan.fewestTasks(of: layer))
    }
    sideBySide = (1...max(1, threads)).reversed().filter { threads % $0 == 0 }.map { each in
      let jobs = threads / each
      return Jobs(
        jobs: jobs, threadsEach: each, runsPerSecond: Double(jobs) / plan.cost(threads: each).seconds)
    }
  }

  /// The fewest jobs that use all threads well.
  var recommended: Jobs? {
    guard let best = sideBySide.map(\.runsPerSecond).max() else { return nil }
    return sideBySide.first { $0.runsPerSecond * Self.worthwhile >= best }
  }

  var text: String {
    var lines = [
      "\(subject) \(width)x\(height), \(precision): the tasks of one thread, shared out by reckoning",
      "", " threads    seconds  efficiency  waiting  between",
    ]
    lines += counts.map { count in
      String(
        format: "%8d  %9.4f  %9.1f%%  %6.1f%%  %6.1f%%", count.threads, count.seconds, 100 * count.efficiency,
        100 * count.waiting, 100 * count.between)
    }
    lines += [
      "", "What loses most with \(threads) threads:", "  seconds  efficiency  waiting  between  tasks  layer",
    ]
    lines += layers.map { layer in
      String(
        format: "%9.4f  %9.1f%%  %6.1f%%  %6.1f%%  %5d  ", layer.seconds, 100 * layer.efficiency,
        100 * layer.waiting, 100 * layer.between, layer.tasks) + layer.layer
    }
    lines += ["", "Renders side by side on \(threads) threads:", "    jobs  threads each  runs a second"]
    lines += sideBySide.map { jobs in
      String(format: "%8d  %12d  %13.4f", jobs.jobs, jobs.threadsEach, jobs.runsPerSecond)
    }
    if let recommended {
      lines += [
        "",
        recommended.jobs == 1
          ? "One render with all threads is as good as several."
          : "segmoed --jobs \(recommended.jobs) --threads \(threads) does "
            + String(
              format: "%.2f times as much as with one job at a time.",
              recommended.runsPerSecond / (sideBySide.first?.runsPerSecond ?? 1)),
      ]
    }
    lines += ["", Self.footnote]
    return lines.joined(separator: "\n")
  }

  private static let footnote = """
    Memory that is too slow for so many threads is not reckoned with: a machine takes longer than this says.
    """
}
