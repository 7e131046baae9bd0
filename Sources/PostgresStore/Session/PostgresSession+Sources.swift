import JobStore

/// What hubs have.
extension PostgresSession {
  /// No job waits here for a hub.
  package func isAwaitingSources() throws -> Bool { false }

  /// No job waits here for a hub.
  package func takeLocalSources(_ isHere: (String) -> Bool) throws -> [String] { [] }
}
