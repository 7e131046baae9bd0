/// Which store keeps a queue.
package enum StoreKind: String, CaseIterable, Sendable {
  case sqlite, postgresql
  /// PostgreSQL through pgbouncer, which may give each transaction another connection.
  case pooled

  /// Those that can be tried here.
  package static let here = allCases.filter {
    switch $0 {
    case .sqlite: true
    case .postgresql: PostgresServer.isInstalled
    case .pooled: PostgresBouncer.isInstalled
    }
  }

  /// Those of them that are on a server.
  package static let servers = here.filter { $0 != .sqlite }
}
