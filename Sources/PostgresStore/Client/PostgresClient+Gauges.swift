import JobStore

extension PostgresClient {
  /// What there is to do, for whoever watches the queue.
  package func gauges() throws -> QueueGauges {
    try QueueGauges(row: database.row("SELECT * FROM queue_gauges"))
  }
}
