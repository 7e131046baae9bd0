import Boundary
import GRDB
import JobStore
import Requests

/// What this worker cannot load but others perhaps can: models, and the files that jobs add to them.
extension PostgresSession {
  /// Gives a job back because this worker lacks its model, or a file that it adds to it. The attempt does not count.
  package func lack(_ thing: String, reason: String, _ lease: Lease) throws {
    try end(
      lease, "lack_thing($1::bigint, $2::bigint, $3::text, $4::text, $5::text)",
      [.text(name), .text(thing), .text(PlainText.line(reason))])
  }

  /// Notes that the files of something lacked have changed.
  package func expect(_ thing: String) throws {
    _ = try database.connection.rows(
      "UPDATE lacking_models SET since = milliseconds_now() WHERE worker = $1::text AND model = $2::text",
      [.text(name), .text(thing)])
  }

  /// Fails due jobs that need what no living worker has had for so many seconds, some at a time.
  /// - Returns: whether any failed. There may be more of them.
  func giveUp(_ lacked: WorkerSession.Lacked, after patience: Double) throws -> Bool {
    guard !lacked.isEmpty else { return false }
    let rows = try database.connection.rows(
      "SELECT thing, worker, reason FROM hopeless($1::text, $2::text[], $3::bigint)",
      [
        .text(name), .texts(lacked.models.union(lacked.files).sorted()), .integer(patience.asMilliseconds),
      ])
    var answers: [String: [(worker: String, reason: String)]] = [:]
    for row in rows {
      let reader = RowReader(row: row, table: "lacking_models")
      answers[try reader.value("thing"), default: []].append(
        (try reader.value("worker"), try reader.value("reason")))
    }
    var hasFailed = false
    for (thing, answers) in answers.sorted(by: { $0.key < $1.key }) {
      let isModel = lacked.models.contains(thing)
      // Who names a model that nobody has may mean one that is to come; a file beside it is named in the request alone.
      let kind: FailureKind = isModel ? .model : .badInput
      let message = WorkerSession.Lacked.message(thing, isModel: isModel, patience, answers)
      let row = try database.row(
        "SELECT give_up($1::text, $2::text, $3::text, $4::text = '1', $5::text, $6::text) AS count",
        [
          .text(name), .text(record.numerics), .text(thing), .flag(isModel), .text(PlainText.line(message)),
          .text(kind.rawValue),
        ])
      if try RowReader(row: row, table: "jobs").value("count", as: Int.self) > 0 { hasFailed = true }
    }
    return hasFailed
  }
}
