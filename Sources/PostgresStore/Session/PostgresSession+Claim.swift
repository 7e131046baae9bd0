import GRDB
import JobStore
import Requests
import Synchronization

/// How jobs are taken.
extension PostgresSession {
  /// Takes the next job that is due.
  package func claim(
    preferredModels: [String], avoiding lacked: WorkerSession.Lacked, modelPatience: Double,
    numericsPatience: Double, limits: RenderLimits
  ) throws -> ClaimedJob? {
    if lastLook.isFirst(patience: numericsPatience) { try keepUp() }
    while true {
      let hasGivenUp = try giveUp(lacked, after: modelPatience)
      if let job = try firstValid(limits, { try take(preferredModels, lacked) }) { return job }
      // Some at a time: there may be more of them.
      if hasGivenUp { continue }
      // Upkeep may make something due.
      guard lastLook.isOver else { return nil }
      try keepUp()
    }
  }

  /// Takes another job that can go through the model together with one at work.
  package func claimCompanion(
    of request: RenderRequest, limits: RenderLimits, without files: Set<String>, waits: Bool
  ) throws -> ClaimedJob? {
    guard waits || looks.state.withLock({ $0.mayLook(now: .now) }) else { return nil }
    let job = try firstValid(limits) { try takeCompanion(of: request, without: files, waits: waits) }
    looks.state.withLock { $0.fruitless = job == nil ? .now : nil }
    return job
  }

  /// The first job that can be rendered. Those before it that cannot fail.
  private func firstValid(
    _ limits: RenderLimits, _ take: () throws -> (Lease, Row)?
  ) throws -> ClaimedJob? {
    while let (lease, row) = try take() {
      do {
        let job = try JobRecord(row: row)
        try job.request.validate(limits: limits)
        return ClaimedJob(lease: lease, job: job, places: try Self.places(ofClaimed: row))
      } catch let error as RequestError {
        try refuse(lease, message: "\(error)")
      } catch let error as JobStoreError {
        guard case .damagedRow = error else { throw error }
        try refuse(lease, message: "\(error)")
      }
    }
    return nil
  }

  private func take(_ preferred: [String], _ lacked: WorkerSession.Lacked) throws -> (Lease, Row)? {
    // After a lost answer the same number gets the job that the worker has perhaps, not another.
    let token = looks.state.withLock { looks in
      if let first = looks.unanswered.first { return first }
      let token = Int64.random(in: 1...Int64.max)
      looks.unanswered.append(token)
      return token
    }
    let rows = try database.connection.rows(
      """
      SELECT claim_job($1::text, $2::bigint, $3::bigint, $4::bigint, $5::text, $6::text[], $7::text[], $8::text[])
        AS claimed
      """,
      [
        .text(name), .integer(record.startedAt), .integer(token), .integer(leaseSeconds.asMilliseconds),
        .text(record.numerics), .texts(preferred), .texts(lacked.models.sorted()),
        .texts(lacked.files.sorted()),
      ])
    looks.state.withLock { looks in
      looks.unanswered.removeAll { $0 == token }
      looks.fruitless = nil
    }
    let taken = try hold(rows, token)
    guard let (_, row) = taken else { return nil }
    let chores = Chores(rawValue: try RowReader(row: row, table: "upkeep").value("chores"))
    lastLook.note(chores)
    // Where all workers are busy, nobody looks. The job is taken whatever becomes of this.
    if chores.contains(.upkeep) { try? keepUp() }
    return taken
  }

  private func takeCompanion(
    of request: RenderRequest, without files: Set<String>, waits: Bool
  ) throws -> (Lease, Row)? {
    let token = Int64.random(in: 1...Int64.max)
    let sql = """
      SELECT claim_companion($1::text, $2::bigint, $3::bigint, $4::text, $5::text, $6::integer, $7::integer,
        $8::text, $9::text, $10::text, $11::text, $12::bigint, $13::text = '1', $14::text[]) AS claimed
      """
    let values: [ServerValue] = [
      .text(name), .integer(token), .integer(leaseSeconds.asMilliseconds), .text(record.numerics),
      .text(request.model), .integer(request.width.map(Int64.init)), .integer(request.height.map(Int64.init)),
      .text(request.precision.rawValue), .text(request.vae), .text(request.deepCache?.text),
      ServerValue(request.loras.stored), .integer(request.memoryBudget.map { Int64($0.bytes) }),
      .flag(request.initImage != nil), .texts(files.sorted()),
    ]
    guard !waits else { return try hold(database.connection.rows(sql, values), token) }
    do {
      return try hold(database.connection.rowsAtOnce(sql, values), token)
    } catch JobStoreError.busy(let server) {
      // The next claim asks what has become of it.
      looks.state.withLock { $0.unanswered.append(token) }
      throw JobStoreError.busy(path: server)
    }
  }

  /// Holds the lease of a row that a claim has answered with.
  private func hold(_ rows: [Row], _ token: Int64) throws -> (Lease, Row)? {
    guard let row = try rows.first.flatMap(ClaimAnswer.init)?.row else { return nil }
    let id: Int64 = try RowReader(row: row, table: "jobs").value("id")
    let lease = Lease(job: id, worker: name, claim: token)
    held.add(lease)
    return (lease, row)
  }
}

/// What the connections of a worker remember together: whichever claims next asks what has become of another's claim.
final class SharedLooks: Sendable {
  let state = Mutex(ClaimLooks())
}

/// What a worker remembers from one claim to the next.
struct ClaimLooks: Sendable {
  /// The numbers of claims that were not answered. Perhaps there are leases with them.
  var unanswered: [Int64] = []
  /// When it last looked in vain for another job to render together with one at work.
  var fruitless: ContinuousClock.Instant?

  /// Whether a render that is under way looks for another: at most four times a second, and not again once the server has
  /// not answered. It looks between all its steps, and there may be thousands of workers.
  func mayLook(now: ContinuousClock.Instant) -> Bool {
    unanswered.isEmpty && fruitless.map { now - $0 >= .seconds(0.25) } ?? true
  }
}
