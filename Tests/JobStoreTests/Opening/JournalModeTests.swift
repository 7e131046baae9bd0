import Foundation
import GRDB
import JobStore
import TestSupport
import Testing

/// A queue that came back from a copy, or that a tool has switched to another journal, is put right by the daemon that
/// opens it: only in write-ahead mode does reading disturb nobody.
@Suite struct JournalModeTests {
  private func mode(_ path: String) throws -> String? {
    try DatabaseQueue(path: path).read { try String.fetchOne($0, sql: "PRAGMA journal_mode") }
  }

  private func plain(_ path: String, _ mode: String) throws {
    let database = try DatabaseQueue(path: path)
    try database.writeWithoutTransaction { try $0.execute(sql: "PRAGMA journal_mode = \(mode)") }
    try database.close()
  }

  @Test(arguments: ["vacuumed", "DELETE", "TRUNCATE", "PERSIST"]) func aDaemonPutsItRight(way: String) throws
  {
    let folder = try TemporaryFolder()
    defer { withExtendedLifetime(folder) {} }
    var path = folder.file("queue.sqlite")
    do {
      let first = try QueueDatabase.open(path: path, role: .daemon)
      _ = try QueueClient(first).enqueue(BatchRequest(), requests: [request("one")])
    }
    if way == "vacuumed" {
      let copy = folder.file("copy.sqlite")
      try DatabaseQueue(path: path).writeWithoutTransaction {
        try $0.execute(sql: "VACUUM INTO ?", arguments: [copy])
      }
      path = copy
    } else {
      try plain(path, way)
    }
    #expect(try mode(path) != "wal")
    let database = try QueueDatabase.open(path: path, role: .daemon)
    #expect(try mode(path) == "wal")
    // Somebody reads, and goes on reading.
    var staying = Configuration()
    staying.allowsUnsafeTransactions = true
    let reader = try DatabaseQueue(path: path, configuration: staying)
    try reader.inDatabase { try $0.beginTransaction(.deferred) }
    #expect(try reader.inDatabase { try Int.fetchOne($0, sql: "SELECT count(*) FROM jobs") } == 1)
    _ = try QueueClient.open(path: path).enqueue(BatchRequest(), requests: [request("two")])
    #expect(try reader.inDatabase { try Int.fetchOne($0, sql: "SELECT count(*) FROM jobs") } == 1)
    try reader.inDatabase { try $0.commit() }
    #expect(try QueueClient(database).status().counts.queued == 2)
  }
}
