import JobStore

/// What `doctor` says of a queue's server.
struct ServerChecks {
  let server: QueueFacts.Server

  /// Seconds after which a transaction that does nothing is worth a word.
  private static let longIdle = 60.0

  var findings: [Finding] { [version, link, rights] + idle }

  private var version: Finding { .ok("server", "PostgreSQL \(server.version)") }

  private var link: Finding {
    switch server.isEncrypted {
    case nil: .ok("link", "it goes over no network")
    case true?: .ok("link", "it is encrypted")
    case false?:
      .warn(
        "link", "it is not encrypted: whoever is on the way reads and changes what goes over it",
        mend: "add sslmode=verify-full to the address (docs/postgresql.md)")
    }
  }

  private var rights: Finding {
    server.mayChange
      ? .ok("rights", "you may use it")
      : .bad(
        "rights", "you may look at the queue, and not change it",
        mend:
          "let its owner GRANT you what is missing, or name the server that takes changes (docs/postgresql.md)"
      )
  }

  private var idle: [Finding] {
    guard let seconds = server.idleTransaction, seconds > Self.longIdle else { return [] }
    return [
      .warn(
        "server",
        "somebody's transaction has been open and idle for \(TerminalText.duration(seconds)): it makes every claim slower",
        mend: "end that program, such as a psql left in a transaction (`SELECT * FROM pg_stat_activity`)")
    ]
  }
}
