import Foundation
import JobStore
import PostgresStore

/// A worker's queue, opened: a file, or a database on a server.
enum QueueOpening {
  case file(QueueDatabase)
  case server(PostgresDatabase)

  /// - Parameters:
  ///   - database: the path of a file, or a server's address.
  ///   - trace: gets every SQL statement on a file.
  /// - Throws: `JobStoreError`
  init(_ database: String, trace: (@Sendable (String) -> Void)?) throws {
    if QueueDatabase.isServer(database) {
      self = .server(try PostgresDatabase.open(ServerAddress(database), role: .daemon))
    } else {
      self = .file(try QueueDatabase.open(path: database, role: .daemon, trace: trace))
    }
  }

  /// Signs a worker on.
  /// - Throws: `JobStoreError.workerNameTaken`
  func signOn(
    _ worker: WorkerRecord, leaseSeconds: Double, introduction: String
  ) throws -> any JobWorker {
    switch self {
    case .file(let database):
      try WorkerSession.signOn(
        database, worker, leaseSeconds: leaseSeconds, introduction: introduction,
        processIsAlive: { WorkerProcess.isAlive($0) })
    case .server(let database):
      try PostgresSession.signOn(
        database, worker, leaseSeconds: leaseSeconds, introduction: introduction,
        processIsAlive: { WorkerProcess.isAlive($0) })
    }
  }

  /// Makes the folder that a file's own folder would be, for what lies beside a queue.
  /// - Parameter path: of what lies there.
  func prepareFolder(of path: String) throws {
    guard case .server = self else { return }
    try FileManager.default.createDirectory(
      at: URL(fileURLWithPath: path).deletingLastPathComponent(), withIntermediateDirectories: true,
      attributes: [.posixPermissions: 0o700])
  }

  /// Rows that were wrong and have been set aside.
  var setAside: [(at: Milliseconds, table: String, row: String)] {
    switch self {
    case .file(let database): (try? QueueClient(database).setAside()) ?? []
    case .server: []
    }
  }
}
