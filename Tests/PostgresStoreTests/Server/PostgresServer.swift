import Foundation
import JobStore
import PostgresStore
import Synchronization
import TestSupport
import Testing

/// A PostgreSQL server of the tests' own, on a socket in a temporary folder. It ends with its last reference, or with the
/// tests' process.
final class PostgresServer: Sendable {
  /// Whether it can be started here.
  static let isInstalled =
    ["/usr/lib/postgresql/15/bin/initdb", "/usr/lib/postgresql/15/bin/pg_ctl"]
    .allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }

  /// Why tests are skipped where it cannot.
  static let absence: Comment =
    "no PostgreSQL: apt-get install --no-install-recommends postgresql-15 (not started)"

  private let folder = TemporaryFolder.unusedPath()
  private let script: Process
  private let input = Pipe()
  private let output = Pipe()
  private let databases = Mutex(0)

  /// The one that all tests share which do not kill it.
  private static let common = Result { try PostgresServer() }

  static func shared() throws -> PostgresServer { try common.get() }

  /// - Throws: `NotReady`
  init() throws {
    script = try Process(
      Places.inRepository("Tests/PostgreSQL/server"), [folder],
      environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
    script.standardInput = input
    script.standardOutput = output
    try script.run()
    try awaitReady()
  }

  deinit {
    try? input.fileHandleForWriting.close()
    script.waitUntilExit()
  }

  struct NotReady: Error {}

  private func awaitReady() throws {
    var line = ""
    while !line.hasSuffix("\n") {
      guard let byte = try output.fileHandleForReading.read(upToCount: 1), !byte.isEmpty else {
        throw NotReady()
      }
      line += String(decoding: byte, as: UTF8.self)
    }
    guard line == "ready\n" else { throw NotReady() }
  }

  /// Kills it, and starts it again.
  func crash() throws {
    try input.fileHandleForWriting.write(contentsOf: Data("crash\n".utf8))
    try awaitReady()
  }

  /// The address of a database.
  func address(_ database: String) -> String { "postgresql:///\(database)?host=\(folder)&user=postgres" }

  /// The address of a new, empty database.
  func newDatabase() throws -> String {
    let number = databases.withLock { number in
      number += 1
      return number
    }
    try sql("postgres", "CREATE DATABASE queue\(number)")
    return address("queue\(number)")
  }

  /// What a person at psql would do.
  /// - Returns: the rows, their columns parted by a bar.
  @discardableResult
  func sql(_ database: String, _ statement: String) throws -> [String] {
    try Self.sql(at: address(database), statement)
  }

  /// The same on a database by its address.
  @discardableResult
  static func sql(at address: String, _ statement: String) throws -> [String] {
    let outcome = try Outcome(
      of: "/usr/bin/psql", ["--no-psqlrc", "--tuples-only", "--no-align", "--set=ON_ERROR_STOP=1",
      "--command", statement, address])
    try #require(outcome.code == 0, "\(outcome.errors)")
    return outcome.output.split(separator: "\n").map(String.init)
  }
}
