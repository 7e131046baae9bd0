import ArgumentParser
import CommandLine
import Foundation
import JobStore

extension JobState: ExpressibleByArgument {}

/// `segmoectl list`
struct List: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "List jobs, the newest last.")

  @OptionGroup var location: Location

  @Option(help: "Only jobs in this state. May be repeated.")
  var state: [JobState] = []

  @Option(help: ArgumentHelp("Only jobs of this batch: its number or name.", valueName: "batch"))
  var batch: BatchReference?

  @Option(help: "Show this many of the newest jobs; 0 shows all.")
  var limit = 100

  @OptionGroup var format: Format

  func run() throws {
    guard limit >= 0 else { throw Problem.usage("--limit must be 0 or more") }
    var filter = JobFilter()
    filter.states = Set(state)
    filter.limit = limit == 0 ? nil : limit
    let store = try location.open(for: .reading)
    filter.batch = try batch?.number(in: store)
    let jobs = try store.list(filter)
    if format.json {
      print(JSONText.array(jobs.map(JSONText.job)).text)
      return
    }
    if !jobs.isEmpty { print(JobTable.text(jobs)) }
    let status = try store.status()
    print(QueueLine.text(status))
    if jobs.count == limit { print("These are the newest \(limit); --limit 0 shows all.") }
  }
}

/// Jobs in columns.
enum JobTable {
  static func text(_ jobs: [JobSummary]) -> String {
    let rows = jobs.map { job in
      [
        "\(job.id)", "\(job.batch)", state(job), progress(job),
        TerminalText.plain(job.prompt, columns: 40), model(job.model), "\(job.attempts)/\(job.maxAttempts)",
        TerminalText.plain(job.failure?.message ?? "", columns: 60),
      ]
    }
    return TerminalText.table(["JOB", "BATCH", "STATE", "STEP", "PROMPT", "MODEL", "TRIES", "ERROR"], rows)
  }

  static func state(_ job: JobSummary) -> String {
    switch job.state {
    case .running where job.tenure?.cancelRequested == true: "cancelling"
    case .queued where job.isHeld: "held"
    case .queued where job.runAfter != nil: "waiting"
    default: job.state.rawValue
    }
  }

  static func progress(_ job: JobSummary) -> String {
    job.state == .running || job.state == .done ? "\(job.step)/\(job.steps)" : ""
  }

  /// A path's last part.
  static func model(_ model: String) -> String {
    TerminalText.plain(
      model.hasPrefix("/") ? URL(fileURLWithPath: model).lastPathComponent : model, columns: 24)
  }
}

/// The queue in a line.
enum QueueLine {
  static func text(_ status: QueueStatus) -> String {
    let counts = JobState.allCases.filter { status.counts[$0] > 0 }.map {
      "\(status.counts[$0]) \($0.rawValue)"
    }
    let line = counts.isEmpty ? "The queue is empty." : counts.joined(separator: ", ") + "."
    return status.isPaused ? line + " The queue is paused; `segmoectl resume` lets it go on." : line
  }
}
