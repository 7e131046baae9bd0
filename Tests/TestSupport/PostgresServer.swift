import Foundation
import Synchronization

/// A PostgreSQL server of the tests' own, on a socket in a temporary folder. It ends with its last reference, or with the
/// tests' process.
///
///     @Suite(.enabled(if: PostgresServer.isInstalled, PostgresServer.absence)) struct …
///     let address = try PostgresServer.shared().newDatabase()
package final class PostgresServer: Sendable {
  /// Whether it can be started here.
  package static let isInstalled =
    ["/usr/lib/postgresql/15/bin/initdb", "/usr/lib/postgresql/15/bin/pg_ctl", "/usr/bin/psql"]
    .allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }

  /// Why tests are skipped where it cannot.
  package static let absence: String =
    "no PostgreSQL: apt-get install --no-install-recommends postgresql-15 (not started)"

  private let folder = TemporaryFolder.unusedPath()
  private let script: Process
  private let input = Pipe()
  private let output = Pipe()
  private let databases = Mutex(0)

  /// The one of all tests that do not kill it.
  private static let common = Result { try PostgresServer() }

  /// The server that tests share which do not kill it. Each takes a database of its own.
  /// - Throws: `NotReady`
  package static func shared() throws -> PostgresServer { try common.get() }

  /// Starts one.
  /// - Throws: `NotReady`
  package init() throws {
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

  /// It does not come up; standard error says why.
  package struct NotReady: Error {}

  /// A statement that psql refuses, with its words.
  package struct Refused: Error {
    let words: String
  }

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
  /// - Throws: `NotReady`
  package func crash() throws {
    try input.fileHandleForWriting.write(contentsOf: Data("crash\n".utf8))
    try awaitReady()
  }

  /// The address of a database.
  package func address(_ database: String) -> String {
    "postgresql:///\(database)?host=\(folder)&user=postgres"
  }

  /// The address of a new, empty database.
  package func newDatabase() throws -> String {
    let number = databases.withLock { number in
      number += 1
      return number
    }
    try Self.sql(at: address("postgres"), "CREATE DATABASE queue\(number)")
    return address("queue\(number)")
  }

  /// What a person at psql would do.
  /// - Parameters:
  ///   - address: of the database.
  ///   - statement: one or more of them.
  /// - Returns: the rows, their columns parted by a bar.
  /// - Throws: `Refused`
  @discardableResult
  package static func sql(at address: String, _ statement: String) throws -> [String] {
    let outcome = try Outcome(
      of: "/usr/bin/psql",
      [
        "--no-psqlrc", "--tuples-only", "--no-align", "--quiet", "--set=ON_ERROR_STOP=1", "--command",
        statement,
        address,
      ])
    guard outcome.code == 0 else { throw Refused(words: outcome.errors) }
    return outcome.output.split(separator: "\n").map(String.init)
  }
}
