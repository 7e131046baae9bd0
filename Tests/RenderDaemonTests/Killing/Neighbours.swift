import Foundation
import GRDB
import Synchronization
import TestSupport
import Testing

/// What else goes on in a round of kills.
enum Neighbour: String, CaseIterable {
  /// Somebody who holds the write lock, now and then for longer than a lease.
  case locks
  /// Somebody who sets the clock of all daemons and clients, by up to a year in either direction.
  case clock
  /// Somebody who changes rows and the schema by hand.
  case rows
  /// A daemon that lacks a model.
  case models

  /// Those of a round: all of them within four rounds, and one round without any.
  static func all(inRound round: Int) -> Set<Neighbour> {
    switch round % 4 {
    case 0: [.locks, .models]
    case 1: [.clock, .rows]
    case 2: Set(allCases)
    default: []
    }
  }
}

/// Somebody who takes the write lock over and over, on a connection of his own.
final class LockHolder: Sendable {
  private struct State {
    var isOver = false
    var hasEnded = false
    var holds = 0
    var longHolds = 0
  }

  private let state = Mutex(State())

  /// - Parameters:
  ///   - path: of the database.
  ///   - lease: seconds that he now and then exceeds.
  ///   - longest: how many times as long he holds it at most.
  ///   - seed: of his choices.
  init(path: String, lease: Double, longest: Double = 2.5, seed: UInt64) throws {
    var patient = Configuration()
    patient.busyMode = .timeout(20)
    let connection = try DatabaseQueue(path: path, configuration: patient)
    Thread.detachNewThread { [self] in
      var random = RandomNumbers(seed: seed)
      while !state.withLock({ $0.isOver }) {
        // The first one always, so that no round is without.
        let isLong = state.withLock { $0.longHolds == 0 } || random.isLucky(oneIn: 5)
        let seconds = Double.random(
          in: isLong ? lease * 1.1...lease * longest : 0.01...lease / 2, using: &random)
        let held: Void? = try? connection.inTransaction(.immediate) { _ in
          wait(seconds)
          return .commit
        }
        if held != nil {
          state.withLock {
            $0.holds += 1
            if isLong { $0.longHolds += 1 }
          }
        }
        wait(.random(in: 0...lease, using: &random))
      }
      state.withLock { $0.hasEnded = true }
    }
  }

  /// Lets go, and waits until he is gone.
  /// - Returns: how often he held it, and how often for longer than a lease.
  func end() -> (holds: Int, longHolds: Int) {
    state.withLock { $0.isOver = true }
    while !state.withLock({ $0.hasEnded }) { Thread.sleep(forTimeInterval: 0.01) }
    return state.withLock { ($0.holds, $0.longHolds) }
  }

  private func wait(_ seconds: Double) {
    let end = Date(timeIntervalSinceNow: seconds)
    while Date() < end, !state.withLock({ $0.isOver }) { Thread.sleep(forTimeInterval: 0.01) }
  }
}

/// The clock of a round's programs: `clock.c` reads it.
final class SetClock {
  let path: String
  private(set) var steps = 0

  init(path: String) throws {
    self.path = path
    try write(0)
  }

  private func write(_ seconds: Int64) throws {
    let bytes = withUnsafeBytes(of: seconds) { Data($0) }
    if FileManager.default.fileExists(atPath: path) {
      // In place: programs have it mapped.
      let file = try #require(FileHandle(forWritingAtPath: path))
      try file.write(contentsOf: bytes)
      try file.close()
    } else {
      try bytes.write(to: URL(fileURLWithPath: path))
    }
  }

  /// Sets it ahead or back, by seconds or by up to a year.
  func step(_ random: inout RandomNumbers) throws {
    let most: Int64 = [5, 120, 86_400, 31_536_000].randomElement(using: &random) ?? 5
    try write(.random(in: -most...most, using: &random))
    steps += 1
  }

  /// Sets it right.
  func setRight() throws { try write(0) }
}

/// Somebody at `sqlite3` who changes what he should not, and whom no constraint stops.
struct RowVandal {
  /// `J` is the number of a job.
  private static let changes = [
    "UPDATE jobs SET state = 'queued', attempts = 0, finished_at = NULL WHERE id = J AND state = 'done'",
    "UPDATE jobs SET state = 'queued', attempts = 0, finished_at = NULL WHERE id = J AND state = 'done'",
    "UPDATE jobs SET held = 99 WHERE id = J AND state IN ('queued', 'running')",
    "UPDATE jobs SET attempts = 99 WHERE id = J AND state = 'running'",
    "UPDATE jobs SET attempts = -3 WHERE id = J AND state IN ('queued', 'running')",
    "UPDATE jobs SET losses = 9223372036854775807 WHERE id = J AND state IN ('queued', 'running')",
    "UPDATE jobs SET claims = 9223372036854775807 WHERE id = J AND state IN ('queued', 'running')",
    "UPDATE jobs SET max_attempts = 0 WHERE id = J AND state IN ('queued', 'running')",
    "UPDATE jobs SET lease_expires = 9223372036854775807 WHERE id = J AND state = 'running'",
    "UPDATE jobs SET lease_owner = NULL, lease_expires = NULL WHERE id = J AND state = 'running'",
    "UPDATE jobs SET run_after = 9223372036854775807, wait_set_at = 1 WHERE id = J AND state = 'queued'",
    "UPDATE jobs SET width = 7, count = -9 WHERE id = J AND state = 'queued'",
    "UPDATE jobs SET loras = '{' WHERE id = J AND state = 'queued'",
    "INSERT OR IGNORE INTO progress VALUES (J, 0, 'thinking', -1, -1, NULL, NULL, 0)",
    "UPDATE checkpoints SET state = x'00', step = 9223372036854775807 WHERE job = J AND path IS NULL",
    "DELETE FROM queue", "UPDATE queue SET queued = 9223372036854775807, done = -5",
    "UPDATE batches SET done = 9223372036854775807 WHERE id = (SELECT batch FROM jobs WHERE id = J)",
    "UPDATE workers SET state = 'bogus'", "UPDATE workers SET heartbeat_at = 9223372036854775807",
    "UPDATE workers SET pid = 1, host = 'elsewhere'", "DELETE FROM workers",
    "INSERT OR REPLACE INTO lacking_models SELECT name, 'tiny', 0, 'no' FROM workers",
    "CREATE TRIGGER no BEFORE UPDATE ON jobs BEGIN SELECT RAISE(ABORT, 'no'); END",
    "DROP INDEX jobs_due", "DROP TRIGGER jobs_count_over",
    "UPDATE sqlite_sequence SET seq = 9223372036854775807 WHERE name = 'jobs'",
  ]

  /// What a daemon says that starts when a row calls one of its name alive on a machine that there is not.
  static let refusal = "is alive on elsewhere (process 1)"

  private let house: DaemonHouse
  /// Jobs whose rows he has changed: they may end in any way, and more than once.
  private(set) var touched: Set<Int64> = []
  private(set) var count = 0

  init(_ house: DaemonHouse) { self.house = house }

  /// Changes something.
  mutating func strike(_ random: inout RandomNumbers) throws {
    let change = Self.changes.randomElement(using: &random) ?? ""
    let number = UInt64.random(in: 0...UInt64(Int64.max), using: &random)
    let job = try house.sqlite().writeWithoutTransaction { db -> Int64? in
      guard
        let job = try Int64.fetchOne(
          db, sql: "SELECT id FROM jobs ORDER BY (id * 7919 + ?) % 997 LIMIT 1",
          arguments: [Int64(number % 1_000_000)])
      else { return nil }
      try db.execute(sql: "PRAGMA ignore_check_constraints = ON; PRAGMA foreign_keys = OFF")
      do {
        try db.execute(sql: change.replacing(/\bJ\b/, with: "\(job)"))
      } catch let error as DatabaseError where [.SQLITE_ERROR, .SQLITE_CONSTRAINT].contains(error.resultCode)
      {
        // It is so already, or another of his changes is in the way.
      }
      return job
    }
    guard let job else { return }
    count += 1
    if change.contains(/\bJ\b/) { touched.insert(job) }
  }
}
