import Boundary
import GRDB

/// Something that happened: a row of the table `events`.
package struct Event: FetchableRecord, Sendable, Equatable {
  /// What can happen.
  package enum Kind: String, Sendable, CaseIterable {
    case enqueued, edited, claimed, lost, retrying, done, failed, cancelled, retried, paused, resumed,
      reordered, sharded, collected
    case givenBack = "given_back"
    case cancelRequested = "cancel_requested"
    case modelHeld = "model_held"
    case modelReleased = "model_released"
    case workerStarted = "worker_started"
    case workerStopped = "worker_stopped"
  }

  package var at: Milliseconds
  /// The batch; nil for an event of the whole queue.
  package var batch: Int64?
  /// The job; nil for an event of the whole batch or queue.
  package var job: Int64?
  package var worker: String?
  package var kind: Kind
  /// Further details in words.
  package var detail: String?

  init(
    _ kind: Kind, at: Milliseconds, batch: Int64? = nil, job: Int64? = nil, worker: String? = nil,
    detail: String? = nil
  ) {
    self.kind = kind
    self.at = at
    self.batch = batch
    self.job = job
    self.worker = worker
    self.detail = detail
  }

  /// - Throws: `JobStoreError.damagedRow`
  package init(row: Row) throws {
    let reader = RowReader(row: row, table: "events")
    at = try reader.value("at")
    batch = try reader.optional("batch")
    job = try reader.optional("job")
    worker = try reader.optional("worker")
    kind = try reader.word("what")
    detail = try reader.optional("detail")
  }
}

extension Database {
  /// Writes an event within the running transaction. If the batch was deleted by hand, the event is written without
  /// it, because the job must still be able to end.
  func record(_ event: Event) throws {
    try cachedStatement(
      sql: """
        INSERT INTO events (at, batch, job, worker, what, detail)
        VALUES (?, (SELECT id FROM batches WHERE id = ?), (SELECT id FROM jobs WHERE id = ?), ?, ?, ?)
        """
    ).execute(arguments: [
      event.at, event.batch, event.job, event.worker, event.kind.rawValue,
      event.detail.map { PlainText.line($0) },
    ])
  }
}
