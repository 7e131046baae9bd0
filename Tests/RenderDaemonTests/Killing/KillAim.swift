import TestSupport

/// Where a daemon is to die. What names a system call is struck by `faults.c` at that very call.
enum KillAim: String, CaseIterable {
  /// At a random moment.
  case anywhere
  /// Writing the claim into the log of the database: before a page of it, or with half a page written.
  case claim
  /// Around a sync of that log: the commit is in it, but perhaps not on disk, or the daemon never hears
  /// that it is.
  case commit
  /// While it computes a step.
  case step
  /// Writing a checkpoint's pages.
  case checkpoint
  /// With half of a picture's bytes written.
  case picture
  /// With all of them written, before they are synced.
  case unsynced
  /// Before the picture gets its name.
  case unnamed
  /// Between its name and the commit that says so.
  case named
  /// Writing the outcome: half of the page that says `done`.
  case outcome
  /// Copying the log back into the database.
  case database
  /// After it was asked to stop.
  case stopping

  /// The rule for a daemon of that name, which must be new; nil: the harness kills it.
  func rule(worker: String, _ random: inout RandomNumbers) -> String? {
    let end = ["kill", "half"].randomElement(using: &random) ?? "kill"
    let number = Int.random(in: 1...3, using: &random)
    return switch self {
    case .anywhere, .step, .stopping: nil
    // The columns worker, what and detail of an event lie side by side in its row.
    case .claim: "write:-wal~\(worker)claimed:\(number):\(end)"
    case .commit:
      "sync:-wal:\(Int.random(in: 1...12, using: &random)):\(end == "kill" ? "kill" : "after")"
    case .checkpoint: "write:-wal~SGMCHK:\(Int.random(in: 1...8, using: &random)):\(end)"
    case .picture: "write:.png.tmp-:\(number):half"
    case .unsynced: "sync:.png.tmp-:\(number):\(end == "kill" ? "kill" : "after")"
    case .unnamed: "rename:.png$:\(number):kill"
    case .named: "rename:.png$:\(number):after"
    case .outcome: "write:-wal~\(worker)doneimages:1:\(end)"
    case .database: "write:queue.sqlite$:\(Int.random(in: 1...20, using: &random)):\(end)"
    }
  }
}
