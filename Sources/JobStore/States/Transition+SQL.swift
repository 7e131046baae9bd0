import Boundary
import GRDB

extension Transition.Guard {
  /// As SQLite has it. Named arguments: `:claim` and `:worker` of the lease, `:now`, `:restarted` (the name of a
  /// worker that signs on, or NULL), `:numerics` (the worker's class), `:reached` (steps of all its images, saved or
  /// reported), `:saved` (saved ones), `:new_…` (the columns of another request).
  var sql: String {
    switch self {
    case .isDue: "run_after IS NULL AND held = 0 AND NOT (SELECT paused FROM queue)"
    case .suitsNumerics: "(numerics IS NULL OR numerics = :numerics)"
    case .holdsLease: "claims = :claim AND lease_owner = :worker"
    case .leaseIsOver: "(lease_expires <= :now OR lease_owner = :restarted)"
    case .gotFurther: "(:reached > furthest_step OR :saved > furthest_saved)"
    case .hasAttempts: "attempts < max_attempts"
    case .mayBeLostAgain: "losses + 1 < \(WorkerSession.lossLimit)"
    case .isUsedUp: "(attempts >= max_attempts OR losses + 1 >= \(WorkerSession.lossLimit))"
    case .isUnwanted: "cancel_requested"
    case .isWanted: "NOT cancel_requested"
    case .waitsForSource: "held & \(Hold.source.rawValue)"
    case .isHere: "NOT held & \(Hold.shards.rawValue)"
    case .isInShards: "held & \(Hold.shards.rawValue)"
    case .isUntouched:
      ["checkpoints", "images", "former_images"].map {
        "NOT EXISTS (SELECT 1 FROM \($0) WHERE job = jobs.id)"
      }
      .joined(separator: " AND ")
    }
  }
}

extension Transition {
  /// The condition in SQL for rows that may make this move.
  var condition: String {
    // A single state is written with `=`, because SQLite uses an index on one state for nothing else.
    let states = from.map { "'\($0.rawValue)'" }
    let state = states.count == 1 ? "state = \(states[0])" : "state IN (\(states.joined(separator: ", ")))"
    return ([state] + guards.map(\.sql)).joined(separator: " AND ")
  }

  /// The assignments in SQL.
  var assignments: String {
    from == [to] ? changes : "state = '\(to.rawValue)', \(changes)"
  }

  private var changes: String {
    let free = "lease_owner = NULL, lease_expires = NULL"
    let failure = "error = :error, error_kind = :kind"
    return switch name {
    case .claim:
      """
      attempts = attempts + 1, claims = claims + 1, lease_owner = :worker, lease_expires = :expires, \
      lease_set_at = :now, started_at = :now, numerics_since = NULL
      """
    case .refuse:
      "\(free), \(failure), attempts = max(0, min(attempts, max_attempts)), finished_at = :now"
    case .finish:
      """
      \(free), finished_at = :now, error = NULL, error_kind = NULL, \(Self.completion)
      """
    case .collectDone: "\(Self.home), error = NULL, error_kind = NULL, \(Self.completion)"
    case .collectFailed: "\(Self.home), \(failure)"
    case .retryLater: "\(free), \(failure), run_after = :after, wait_set_at = :now, \(Self.awaitNumerics)"
    case .giveUp, .lackSource: "\(failure), finished_at = :now"
    case .fail, .stop: "\(free), \(failure), finished_at = :now"
    case .giveBack: "\(free), attempts = max(attempts - 1, 0), started_at = NULL, \(Self.awaitNumerics)"
    case .requeueAdvanced:
      """
      \(free), \(failure), attempts = max(attempts - losses - 1, 0), losses = 0, \
      furthest_step = max(furthest_step, :reached), furthest_saved = max(furthest_saved, ifnull(:saved, 0)), \(Self.awaitNumerics)
      """
    case .requeueLost: "\(free), \(failure), losses = losses + 1, \(Self.awaitNumerics)"
    case .failLost, .cancelLost: "\(free), \(failure), losses = losses + 1, finished_at = :now"
    case .cancel: "finished_at = :now, run_after = NULL"
    case .requestCancel: "cancel_requested = 1"
    case .retry, .retryFailed, .hurry:
      """
      attempts = 0, losses = 0, furthest_step = 0, furthest_saved = 0, run_after = NULL, cancel_requested = 0, \
      error = NULL, error_kind = NULL, \
      started_at = NULL, finished_at = NULL, model_digest = NULL, cache_hits = NULL, discard = 0, \
      numerics = \(name == .hurry ? "NULL" : Self.pinnedNumerics), numerics_since = NULL
      """
    case .edit:
      JobRequest.columns.map { "\($0) = :new_\($0), " }.joined() + """
        wait_set_at = iif(:new_run_after IS NULL, NULL, iif(run_after IS :new_run_after, wait_set_at, :now)), \
        attempts = 0, losses = 0, furthest_step = 0, furthest_saved = 0, error = NULL, error_kind = NULL, \
        started_at = NULL
        """
    }
  }

  /// What is known of a job that is done.
  private static let completion = """
    model_digest = :digest, cache_hits = :hits, cache_misses = :misses, cache_evictions = :evictions, \
    cache_bypasses = :bypasses, bytes_read = :bytes, stall_ms = :stall, peak_bytes = :peak
    """

  /// The assignments for a job that comes back from a shard.
  private static let home = """
    held = held & ~\(Hold.shards.rawValue), attempts = :attempts, started_at = :started, finished_at = :finished, \
    run_after = NULL, numerics_since = NULL
    """

  /// The class of numerics that a job's batch is pinned to, or NULL.
  private static let pinnedNumerics = "(SELECT b.numerics FROM batches b WHERE b.id = jobs.batch)"

  /// The assignments for a job that begins to wait for a worker of its batch's class, or for a while for one of the class
  /// of its resume state.
  private static let awaitNumerics = {
    let saved = """
      (SELECT c.numerics FROM checkpoints c WHERE c.job = jobs.id AND c.path IS NULL AND c.numerics IS NOT NULL
        ORDER BY c.step DESC LIMIT 1)
      """
    return """
      numerics = coalesce(\(pinnedNumerics), \(saved)),
      numerics_since = iif(\(pinnedNumerics) IS NULL AND \(saved) IS NOT NULL, :now, NULL)
      """
  }()
}

/// Which jobs to move.
package enum JobScope: Sendable, Equatable {
  /// One.
  case job(Int64)
  /// All of a batch.
  case batch(Int64)
  /// Those that name a source.
  case source(Int64)

  var sql: String {
    switch self {
    case .job: "id = :scope"
    case .batch: "batch = :scope"
    case .source: "id IN (SELECT job FROM job_sources WHERE source = :scope)"
    }
  }

  var number: Int64 {
    switch self {
    case .job(let number), .batch(let number), .source(let number): number
    }
  }
}

extension Database {
  /// Moves the jobs that may make this move, and writes the events, within the running transaction.
  /// - Parameters:
  ///   - values: the named arguments of the move. `:now` and `:scope` are added; missing ones are NULL.
  ///   - details: the details of the events.
  /// - Returns: how many were moved. 0 means that they are in another state, or a guard does not hold.
  @discardableResult
  func move(
    _ name: Transition.Name, _ scope: JobScope, at now: Milliseconds,
    _ values: [String: (any DatabaseValueConvertible)?] = [:], details: [Event.Kind: String] = [:]
  ) throws -> Int {
    let transition = Transition[name]
    var arguments: [String: (any DatabaseValueConvertible)?] = [
      "now": now, "scope": scope.number, "worker": nil, "restarted": nil, "error": nil, "kind": nil,
      "reached": nil, "saved": nil,
    ]
    arguments.merge(values) { $1 }
    if let error = arguments["error"] as? String { arguments["error"] = PlainText.line(error) }
    // The events are written first, while the rows that the update will change can still be found.
    for kind in transition.events {
      arguments.merge(["what": kind.rawValue, "detail": details[kind].map { PlainText.line($0) }]) { $1 }
      try cachedStatement(
        sql: """
          INSERT INTO events (at, batch, job, worker, what, detail)
          SELECT :now, (SELECT id FROM batches WHERE id = jobs.batch), id, :worker, :what, :detail
          FROM jobs WHERE \(scope.sql) AND \(transition.condition)
          """
      ).execute(arguments: StatementArguments(arguments))
    }
    try cachedStatement(
      sql: "UPDATE jobs SET \(transition.assignments) WHERE \(scope.sql) AND \(transition.condition)"
    ).execute(arguments: StatementArguments(arguments))
    return changesCount
  }
}
