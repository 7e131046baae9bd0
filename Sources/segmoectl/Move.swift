import ArgumentParser
import Boundary
import CommandLine
import Foundation
import JobStore
import PostgresStore

/// `segmoectl move`
struct Move: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Move a queue that nobody works on into another file or onto a server.",
    discussion: """
      Batches, jobs with their numbers, resume states, pictures' rows and events go, all or nothing. The old queue stays \
      as it was, but every program refuses it and says where the new one is. Files stay where they are: pictures, models, \
      and the key that seals resume states (docs/postgresql.md). After a move that was killed, run it again.
      """)

  @Option(
    help: ArgumentHelp("The queue: a file, or postgresql://….", valueName: "file|address"))
  var from: String

  @Option(
    help: ArgumentHelp(
      "Where it goes: a file or a database that has no jobs, or is not there yet.", valueName: "file|address")
  )
  var to: String

  @OptionGroup var look: DryRun
  @OptionGroup var format: Format

  func run() throws {
    let (source, target) = (try queue(from, makes: false), try queue(to, makes: true))
    guard source.place != target.place else {
      throw Problem.usage("--from and --to are the same queue: \(source.place)")
    }
    let move = QueueMove(from: source, to: target)
    let moved = look.dryRun ? try move.look() : try move.run()
    if format.json {
      print(json(moved, from: source.place, to: target.place).text)
    } else {
      announce(moved, to: target.place)
    }
  }

  private func queue(_ place: String, makes: Bool) throws -> any MovableQueue {
    QueueDatabase.isServer(place)
      ? MovableServer(try ServerAddress(place), makes: makes)
      : MovableFile(path: absolutePath(place), makes: makes)
  }

  private func announce(_ moved: MovedQueue, to place: String) {
    let counts = moved.counts
    print(
      "\(TerminalText.count(counts.total, "job")) \(look.dryRun ? "would move" : "moved") to \(PlainText.line(place)): "
        + "\(counts.queued) queued, \(counts.running) left running, \(counts.done) done, \(counts.failed) failed, "
        + "\(counts.cancelled) cancelled")
    let rows = moved.rows.filter { $0.value > 0 && $0.key != MovedTable.jobs.name }
    if !rows.isEmpty { print("rows: \(Self.list(rows))") }
    if moved.isPaused { print("the queue is paused, there too") }
  }

  private static func list(_ rows: [String: Int]) -> String {
    rows.sorted { $0.key < $1.key }.map { "\($0.key) \($0.value)" }.joined(separator: ", ")
  }

  private func json(_ moved: MovedQueue, from source: String, to target: String) -> JSONText {
    func list(_ rows: [String: Int]) -> JSONText {
      .array(
        rows.sorted { $0.key < $1.key }.map {
          .object([("table", .string($0.key)), ("rows", .integer($0.value))])
        })
    }
    return .object([
      ("from", .string(source)), ("to", .string(target)), ("dry_run", .bool(look.dryRun)),
      ("paused", .bool(moved.isPaused)),
      ("jobs", .object(JobState.allCases.map { ($0.rawValue, .integer(moved.counts[$0])) })),
      ("tables", list(moved.rows)),
    ])
  }
}
