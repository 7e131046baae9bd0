import ArgumentParser
import Boundary
import CommandLine
import Foundation
import JobStore

/// `segmoectl status`
struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the queue, its newest batches and its daemons.",
    discussion: """
      The exit code is 69 if no daemon works on the queue and one ended without having stopped. `segmoectl doctor` looks for \
      the cause.
      """)

  @OptionGroup var location: Location
  @OptionGroup var format: RowFormat

  func run() throws {
    try format.check(QueueReport.shape)
    let place = location.place
    let store = try location.open(for: .reading)
    let now = try store.clock()
    let report = try QueueReport(store, place, now: now)
    if !format.print(report, QueueReport.shape) { show(report) }
    // A dead daemon is known by the exit code, too.
    let workers = report.workers.map(\.record)
    if !workers.contains(where: { $0.isAlive(now: now) }), workers.contains(where: \.isGone) {
      throw ExitCode(ProgramExit.unavailable.rawValue)
    }
  }

  /// For a person.
  private func show(_ report: QueueReport) {
    print(PlainText.line("queue: \(report.path) (\(report.place.meaning))"))
    if let refusal = report.place.refusal { print(PlainText.line("not the service's: \(refusal)")) }
    print(QueueLine.text(report.status))
    if !report.batches.isEmpty { print("\n" + Self.table(report.batches)) }
    for batch in report.batches where batch.waitsFor != nil { print(PlainText.line(batch.waitLine)) }
    for batch in report.batches where batch.shards != nil { print(PlainText.line(batch.shardsLine)) }
    for standing in report.workers {
      let worker = standing.record
      let job = worker.job.map { " job \($0)" } ?? ""
      let state = standing.isAlive ? worker.state.rawValue + job : worker.isGone ? "gone" : "stopped"
      let introduction = standing.introduction ?? "process \(worker.pid) on \(worker.host)"
      print(PlainText.line("segmoed \(worker.name): \(state) (\(introduction))"))
      for lack in standing.lacks {
        print(PlainText.line("  lacks model \(lack.model): \(lack.reason)"))
      }
    }
    for fetcher in report.fetchers {
      print(PlainText.line("fetcher: process \(fetcher.pid) on \(fetcher.host), \(fetcher.version)"))
    }
    for source in report.waits { print(PlainText.line("waiting for \(source.standing)")) }
    if report.logSize > 16 << 20 {
      print(
        "The queue's log has \(report.logSize >> 20) MiB: a reader, such as a sqlite3 shell left in a transaction, "
          + "keeps it from being copied back.")
    }
    if report.workers.isEmpty { print("No segmoed has ever run on \(PlainText.line(report.path)).") }
  }

  private static func table(_ batches: [BatchRecord]) -> String {
    let rows = batches.map { batch in
      ["\(batch.id)", TerminalText.plain(batch.name, columns: 30), batch.isPaused ? "yes" : "no"]
        + JobState.allCases.map { "\(batch.counts[$0])" }
    }
    return TerminalText.table(
      ["BATCH", "NAME", "PAUSED"] + JobState.allCases.map { $0.rawValue.uppercased() }, rows)
  }
}

extension BatchRecord {
  /// What it waits for.
  var waitLine: String { "batch \(id) (\(name)): waiting for \(waitsFor ?? "nothing")" }

  /// Where its shards are.
  var shardsLine: String {
    "batch \(id) (\(name)): in shards \(shards ?? ""); `segmoectl collect \(shards ?? "")` brings home what is done"
  }
}

extension WorkerRecord {
  /// Whether it did not say that it stops. One that is alive has not said so either.
  fileprivate var isGone: Bool { state != .stopped }
}
