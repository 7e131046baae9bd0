import ArgumentParser
import Boundary
import CommandLine
import Images
import JobStore
import Release

/// The client of the render queue. It reads and writes the database, and the place that its machines share: no engine.
struct Segmoectl: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segmoectl",
    abstract: "Put prompts into segmoed's queue, and follow them.",
    discussion: """
      The queue is an SQLite database: --database FILE, else $SEGMOE_DATABASE, else that of the machine's service
      (/etc/segmoed, /var/lib/segmoe/queue.sqlite) if you may use it, else your own,
      ~/.local/state/segmoe/queue.sqlite. Most commands also work on one of PostgreSQL (postgresql://…; docs/postgresql.md). `enqueue` creates it; the other commands need one that is there.
      With --json every command prints one line of JSON.

      \(ProgramExit.help)
      """,
    version: Version.current,
    subcommands: [
      Enqueue.self, Edit.self, Rerun.self, List.self, Show.self, Watch.self, View.self, Open.self, Sheet.self,
      Compare.self,
      XY.self, Cancel.self, Retry.self, Pause.self,
      Resume.self,
      Reorder.self, Purge.self, Models.self, Status.self, Stats.self, Doctor.self, Shard.self, Submit.self,
      Collect.self,
      Stage.self, Move.self, Share.self,
    ])

  @OptionGroup var location: Location
}

@main
enum Main {
  static func main() { Segmoectl.runToEnd() }
}

extension JobStoreError: ExitCoded {
  package var exit: ProgramExit {
    switch self {
    case .invalidSetting, .notOnServer, .wrongAddress: .usage
    case .emptyBatch, .keyReused, .notFound, .ambiguous, .wrongState, .notEditable, .shards, .damagedRow,
      .wrongRow,
      .foreignDatabase,
      .notADatabase, .wrongSchema, .occupied:
      .badInput
    case .notAccessible, .noQueue: .missing
    case .notPermitted: .notPermitted
    case .schemaTooNew, .schemaTooOld, .busy, .temporaryFull, .unreachable, .moved, .notMovable: .unavailable
    case .leaseLost, .wrongImages, .workerNameTaken, .replaced, .closed, .diskFull, .migrationFailed,
      .database, .inputOutput, .refused:
      .failed
    }
  }
}

extension ImageError: ExitCoded {
  package var exit: ProgramExit {
    switch self {
    case .unreadable, .outside, .folderMissing: .missing
    default: .badInput
    }
  }
}
