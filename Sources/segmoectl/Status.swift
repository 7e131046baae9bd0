import ArgumentParser
import Boundary
import CommandLine
import Foundation
import JobStore

/// `segmoectl models`
struct Models: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "List the models that the daemon knows.")

  @OptionGroup var location: Location
  @OptionGroup var format: Format

  func run() throws {
    let models = try location.open(for: .reading).models()
    if format.json {
      print(JSONText.array(models.map(JSONText.model)).text)
    } else if models.isEmpty {
      print("No models yet; segmoed registers those it finds (--models DIR) or loads.")
    } else {
      let rows = models.map { model in
        [
          model.name, model.kind ?? "", model.description ?? "", model.bytes.map { "\($0 >> 20) MiB" } ?? "",
          model.loadError ?? model.path ?? "",
        ].map { PlainText.line($0) }
      }
      print(TerminalText.table(["MODEL", "KIND", "WHAT", "SIZE", "WHERE, OR ITS ERROR"], rows))
    }
  }
}

/// `segmoectl status`
struct Status: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Show the queue, its newest batches and its daemons.",
    discussion: """
      The exit code is 69 if no daemon works on the queue and one ended without having stopped. `segmoectl doctor` looks for \
      the cause.
      """)

  @OptionGroup var location: Location
  @OptionGroup var format: Format

  func run() throws {
    let place = location.place
    let store = try location.open(for: .reading)
    let status = try store.status()
    let batches = try store.batches(limit: 20)
    let workers = try store.workers()
    let introductions = try store.introductions()
    let lacked = try store.lackedModels()
    let fetchers = try store.fetchers()
    let waits = try store.waits()
    let now = Date().milliseconds
    if format.json {
      print(
        JSONText.object(
          [
            ("database", .string(store.path)), ("found_by", .string(place.source.rawValue)),
            ("paused", .bool(status.isPaused)),
          ]
            + JSONText.counts(status.counts) + [
              ("batches", .array(batches.map(JSONText.batch))),
              (
                "workers",
                .array(
                  workers.map {
                    JSONText.worker($0, introduction: introductions[$0.name], lacked, now: now)
                  })
              ),
              ("fetchers", .array(fetchers.map { .string($0.name) })),
              ("waiting_for", .array(waits.map(JSONText.source))),
              ("log_bytes", .integer(store.logSize)),
            ]
        ).text)
      return try end(workers, now: now)
    }
    print(PlainText.line("queue: \(store.path) (\(place.meaning))"))
    if let refusal = place.refusal { print(PlainText.line("not the service's: \(refusal)")) }
    print(QueueLine.text(status))
    if !batches.isEmpty { print("\n" + Self.table(batches)) }
    for batch in batches {
      if let shards = batch.shards {
        print(
          PlainText.line(
            "batch \(batch.id): in shards \(shards); `segmoectl collect` brings home what is done"))
      }
    }
    for worker in workers {
      let job = worker.job.map { " job \($0)" } ?? ""
      let state = worker.isAlive(now: now) ? worker.state.rawValue + job : worker.isGone ? "gone" : "stopped"
      let introduction = introductions[worker.name] ?? "process \(worker.pid) on \(worker.host)"
      print(PlainText.line("segmoed \(worker.name): \(state) (\(introduction))"))
      for lack in lacked where lack.worker == worker.name {
        print(PlainText.line("  lacks model \(lack.model): \(lack.reason)"))
      }
    }
    for fetcher in fetchers {
      print(PlainText.line("fetcher: process \(fetcher.pid) on \(fetcher.host), \(fetcher.version)"))
    }
    for source in waits { print(PlainText.line("waiting for \(source.standing)")) }
    if store.logSize > 16 << 20 {
      print(
        "The queue's log has \(store.logSize >> 20) MiB: a reader, such as a sqlite3 shell left in a transaction, "
          + "keeps it from being copied back.")
    }
    if workers.isEmpty { print("No segmoed has ever run on \(PlainText.line(store.path)).") }
    try end(workers, now: now)
  }

  /// - Throws: `ExitCode` if a daemon is gone and none is there.
  private func end(_ workers: [WorkerRecord], now: Milliseconds) throws {
    guard !workers.contains(where: { $0.isAlive(now: now) }), workers.contains(where: \.isGone) else {
      return
    }
    throw ExitCode(ProgramExit.unavailable.rawValue)
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

extension WorkerRecord {
  /// Whether it did not say that it stops. One that is alive has not said so either.
  fileprivate var isGone: Bool { state != .stopped }
}
