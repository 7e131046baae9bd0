import GRDB
import JobStore
import PostgresStore
import TestSupport

/// Where a queue can be moved to: a file that is not there, or an empty database.
struct MoveTarget {
  let queue: any MovableQueue
  private let address: String?

  /// - Parameters:
  ///   - kind: of store.
  ///   - folder: for the file.
  init(_ kind: StoreKind, in folder: TemporaryFolder) throws {
    switch kind {
    case .sqlite:
      queue = MovableFile(path: folder.file("target.sqlite"), makes: true)
      address = nil
    case .postgresql, .pooled:
      let direct = try PostgresServer.shared().newDatabase()
      let address = kind == .pooled ? try PostgresBouncer.shared().address(direct) : direct
      queue = MovableServer(try ServerAddress(address), makes: true)
      self.address = address
    }
  }

  /// The queue as clients have it.
  func client(_ purpose: QueueDatabase.Purpose = .changing) throws -> any JobQueue {
    guard let address else { return try QueueClient.open(path: queue.place, for: purpose) }
    return PostgresClient(try PostgresDatabase.open(ServerAddress(address), role: .client, for: purpose))
  }

  /// Opens it as a daemon does.
  func openAsDaemon() throws {
    if let address {
      _ = try PostgresDatabase.open(ServerAddress(address), role: .daemon)
    } else {
      try QueueDatabase.open(path: queue.place, role: .daemon).close()
    }
  }

  /// A worker that signs on.
  func worker(_ name: String) throws -> any JobWorker {
    let record = WorkerRecord(name: name, pid: 10, host: "h", version: "1")
    guard let address else {
      return try WorkerSession.signOn(
        QueueDatabase.open(path: queue.place, role: .daemon), record, leaseSeconds: 600
      ) { _ in true }
    }
    return try PostgresSession.signOn(
      PostgresDatabase.open(ServerAddress(address), role: .daemon), record, leaseSeconds: 600
    ) { _ in true }
  }

  /// What a person at sqlite3 or psql would do.
  func sql(_ statement: String) throws {
    if let address {
      try PostgresServer.sql(at: address, statement)
    } else {
      try DatabaseQueue(path: queue.place).write { db in try db.execute(sql: statement) }
    }
  }
}
