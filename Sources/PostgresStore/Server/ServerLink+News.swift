import CPostgreSQL
import GRDB
import JobStore

/// What the server tells without being asked.
extension ServerLink {
  /// Readable when the server has said something; negative if the connection is lost.
  var descriptor: Int32 { PQsocket(connection) }

  /// Listens to a channel, if that is of any use.
  /// - Returns: whether it listens. Behind a pooler nobody can: what is listened for belongs to a process of the server, and
  ///   each transaction may have another one.
  func listens(to channel: String) -> Bool {
    if let listens { return listens }
    let hears = (try? hasServerToItself() && listen(to: channel)) ?? false
    listens = hears
    return hears
  }

  private func listen(to channel: String) throws -> Bool {
    _ = try answer(to: "LISTEN \(channel)")
    return true
  }

  /// A pooler gives each client a process number of its own making.
  private func hasServerToItself() throws -> Bool {
    guard let row = try answer(to: "SELECT pg_backend_pid() AS pid").rows.first else { return false }
    return try RowReader(row: row, table: "pg_stat_activity").value("pid") == Int(PQbackendPID(connection))
  }

  /// Takes in what the server has said, without waiting.
  /// - Returns: whether there was news.
  func hears() -> Bool {
    var isNews = false
    // Fails if the connection was lost, which the next call finds out.
    _ = PQconsumeInput(connection)
    while let news = PQnotifies(connection) {
      PQfreemem(news)
      isNews = true
    }
    return isNews
  }
}
