import Foundation

/// A pgbouncer of the tests' own in transaction mode, before a server of theirs, on a socket in a temporary folder. It ends with
/// its last reference, or with the tests' process.
///
///     @Suite(.enabled(if: PostgresBouncer.isInstalled, PostgresBouncer.absence)) struct …
///     let address = try PostgresBouncer.shared().address(PostgresServer.shared().newDatabase())
package final class PostgresBouncer: Sendable {
  /// Whether it can be started here.
  package static let isInstalled =
    PostgresServer.isInstalled && FileManager.default.isExecutableFile(atPath: "/usr/sbin/pgbouncer")

  /// Why tests are skipped where it cannot.
  package static let absence: String =
    "no pgbouncer: apt-get install --no-install-recommends postgresql-15 pgbouncer (not started)"

  private let server: PostgresServer
  private let folder = TemporaryFolder.unusedPath()
  private let script: StartedScript

  /// The one of all tests that do not kill it.
  private static let common = Result { try PostgresBouncer(before: PostgresServer.shared()) }

  /// The one that tests share which do not kill it, before the server that they share.
  /// - Throws: what keeps it from starting.
  package static func shared() throws -> PostgresBouncer { try common.get() }

  /// Starts one.
  /// - Parameters:
  ///   - server: what it is before.
  ///   - host: an address of this machine on which it listens, too.
  /// - Throws: what keeps it from starting.
  package init(before server: PostgresServer, at host: String? = nil) throws {
    self.server = server
    script = try StartedScript(
      "Tests/PostgreSQL/bouncer", [folder, server.folder] + (host.map { ["listen_addr = \($0)"] } ?? []))
  }

  /// Kills it, and starts it again.
  /// - Throws: what keeps it from starting.
  package func crash() throws { try script.crash() }

  /// The way through it to a database of its server.
  /// - Parameters:
  ///   - direct: the address without it.
  ///   - host: where it listens; nil: its socket.
  package func address(_ direct: String, at host: String? = nil) -> String {
    direct.replacing("host=\(server.folder)", with: "host=\(host ?? folder)&port=6432")
  }
}
