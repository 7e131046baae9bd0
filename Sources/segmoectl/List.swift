import ArgumentParser
import Boundary
import CommandLine
import Foundation
import JobStore

extension JobState: ExpressibleByArgument {}

/// `segmoectl list`
struct List: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "List jobs, the newest last.",
    discussion: """
      On a terminal it shows the newest 100, and cuts what is too long. Into a pipe, and with --json or --format, it \
      lists all of them, whole.
      """)

  @OptionGroup var location: Location

  @Option(help: "Only jobs in this state. May be repeated.")
  var state: [JobState] = []

  @Option(help: ArgumentHelp("Only jobs of this batch: its number or name.", valueName: "batch"))
  var batch: BatchReference?

  @Option(
    help: ArgumentHelp("Only jobs with this text in the prompt; case does not matter.", valueName: "text"))
  var prompt: String?

  @Option(
    help: ArgumentHelp("Only jobs of this model: its name, or the last part of its path.", valueName: "name"))
  var model: String?

  @Option(
    help: ArgumentHelp("Only jobs queued since then: 2h or 7d ago, or 2026-11-23T20:00.", valueName: "time"))
  var since: String?

  @Option(parsing: .unconditional, help: "Show this many of the newest jobs; 0 shows all.")
  var limit: Int?

  @OptionGroup var format: RowFormat

  /// What a terminal shows unless somebody says otherwise.
  private static let usualLimit = 100

  func run() throws {
    let isTerminal = isatty(STDOUT_FILENO) != 0
    let limit = limit ?? (isTerminal && format.isForPeople ? Self.usualLimit : 0)
    guard limit >= 0 else { throw Problem.usage("--limit must be 0 or more") }
    try format.check(QueueJSON.job)
    var filter = JobFilter()
    filter.states = Set(state)
    filter.limit = limit == 0 ? nil : limit
    filter.prompt = prompt
    filter.model = model
    filter.createdSince = try since.map(pastMoment(_:))
    let store = try location.open(for: .reading)
    filter.batch = try batch?.number(in: store)
    let jobs = try store.list(filter)
    if format.print(jobs, QueueJSON.job) { return }
    if !jobs.isEmpty { print(JobTable.text(jobs, isWhole: !isTerminal)) }
    let status = try store.status()
    print(QueueLine.text(status))
    if limit > 0, jobs.count == limit { print("These are the newest \(limit); --limit 0 shows all.") }
  }
}

/// Jobs in columns.
enum JobTable {
  /// - Parameters:
  ///   - jobs: in order.
  ///   - isWhole: whether nothing is cut.
  static func text(_ jobs: [JobSummary], isWhole: Bool) -> String {
    func fit(_ text: String, _ columns: Int) -> String {
      isWhole ? PlainText.line(text, limit: longest) : TerminalText.plain(text, columns: columns)
    }
    let rows = jobs.map { job in
      [
        "\(job.id)", "\(job.batch)", state(job), progress(job), fit(job.prompt, 40),
        isWhole ? PlainText.line(job.model) : model(job.model), "\(job.attempts)/\(job.maxAttempts)",
        fit(note(job, isWhole: isWhole), 60),
      ]
    }
    return TerminalText.table(
      ["JOB", "BATCH", "STATE", "STEP", "PROMPT", "MODEL", "TRIES", "PICTURE OR ERROR"], rows)
  }

  /// UTF-8 bytes of a text that is not cut.
  private static let longest = 100_000

  /// Where a job's pictures are.
  private static func pictures(_ job: JobSummary, isWhole: Bool) -> String {
    let paths = job.images.compactMap(\.path)
    guard let first = paths.first, paths.count > 1, !isWhole else { return paths.joined(separator: " ") }
    return "\(first) and \(paths.count - 1) more"
  }

  static func state(_ job: JobSummary) -> String {
    switch job.state {
    case .running where job.tenure?.cancelRequested == true: "cancelling"
    case .queued where job.shards != nil: "in shards"
    case .queued where job.waitsFor != nil: "waiting"
    case .queued where job.isHeld: "held"
    case .queued where job.runAfter != nil: "waiting"
    default: job.state.rawValue
    }
  }

  /// What a job waits for, or its last error.
  private static func note(_ job: JobSummary, isWhole: Bool) -> String {
    job.shards.map { "in shards \($0)" } ?? job.waitsFor.map { "waiting for \($0)" } ?? job.failure?.message
      ?? pictures(job, isWhole: isWhole)
  }

  static func progress(_ job: JobSummary) -> String {
    job.state == .running || job.state == .done ? "\(job.step)/\(job.steps)" : ""
  }

  /// A path's last part; of a commit as much as git shows.
  static func model(_ model: String) -> String {
    let short = model.replacing(#/@([0-9a-f]{12})[0-9a-f]{28}$/#) { "@\($0.output.1)" }
    return TerminalText.plain(
      model.hasPrefix("/") ? URL(fileURLWithPath: model).lastPathComponent : short, columns: 40)
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
