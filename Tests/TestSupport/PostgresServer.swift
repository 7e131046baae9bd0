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

  /// Where its socket is.
  let folder = TemporaryFolder.unusedPath()
  private let script: StartedScript
  private let databases = Mutex(0)

  /// The one of all tests that do not kill it.
  private static let common = Result { try PostgresServer() }

  /// The server that tests share which do not kill it. Each takes a database of its own.
  /// - Throws: what keeps it from starting.
  package static func shared() throws -> PostgresServer { try common.get() }

  /// Starts one.
  /// - Parameter settings: lines for its configuration.
  /// - Throws: what keeps it from starting.
  package init(_ settings: String...) throws {
    script = try StartedScript("Tests/PostgreSQL/server", [folder] + settings)
  }

  /// A statement that psql refuses, with its words.
  package struct Refused: Error {
    let words: String
  }

  /// Kills it, and starts it again.
  /// - Throws: what keeps it from starting.
  package func crash() throws { try script.crash() }

  /// The address of a database. A busy machine may let nobody in for minutes.
  package func address(_ database: String) -> String {
    "postgresql:///\(database)?host=\(folder)&user=postgres&connect_timeout=\(Int(Patience.seconds))"
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
