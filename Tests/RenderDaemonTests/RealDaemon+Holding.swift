import Foundation
import GRDB
import TestSupport
import Testing

/// Daemons that stop themselves in the middle of their work, by a rule of `faults.c`, so that no test comes too late for
/// what passes by.
extension RealDaemon {
  /// The rule of one that stands still before it writes a resume state: in the middle of a job, with the queue's write
  /// lock held. All that it has written before is there to be read.
  static let beforeEachState = "write:-wal~SGMCHK:1+:stop"
  /// The same before it writes that a step is taken.
  static let beforeEachReport = "write:-wal~denoising:1+:stop"

  /// Lets one with such a rule go on until something is so while it stands still.
  /// - Returns: false if it has ended before that.
  func goOn(until condition: () throws -> Bool) throws -> Bool { try held.goOn(until: condition) }

  /// Lets it go on, wherever it stops itself, to its end; gives the exit code.
  func goOnToTheEnd() -> Int32 {
    held.goOnToTheEnd()
    return end()
  }

  /// One that stands in the middle of a write goes on until it stands elsewhere, so that others may write to the queue.
  func freeQueue(of house: DaemonHouse) throws {
    var hasty = Configuration()
    hasty.busyMode = .immediateError
    let queue = try DatabaseQueue(path: house.client.path, configuration: hasty)
    try house.wait {
      try house.wait { held.isStopped }
      do {
        try queue.inTransaction(.immediate) { _ in .rollback }
        return true
      } catch let error as DatabaseError where error.resultCode == .SQLITE_BUSY {
        held.goOn()
        usleep(500)
        held.stop()
        return false
      }
    }
  }
}
