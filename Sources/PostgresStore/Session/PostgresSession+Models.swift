import JobStore

/// Models that are here and models that are not. The queue keeps no list of them.
extension PostgresSession {
  /// What was loaded is lacked no more. Nobody asks here which models there are.
  package func register(_ model: ModelRecord, loaded: Bool, with files: [String]) throws {
    if loaded { try has([model.name] + files) }
  }

  /// Nobody asks here which models there are.
  package func declare(_ found: [ModelRecord], areAll: Bool) throws {}

  /// Nobody asks here which models there are.
  package func hasDeclared(_ count: Int, areAll: Bool) throws -> Bool { true }

  /// No job waits here for a hub.
  package func isAwaitingSources() throws -> Bool { false }

  /// No job waits here for a hub.
  package func takeLocalSources(_ isHere: (String) -> Bool) throws -> [String] { [] }
}
