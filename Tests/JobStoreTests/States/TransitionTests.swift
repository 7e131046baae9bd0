import Foundation
import GRDB
import JobStore
import TestSupport
import Testing

/// Walks the machine that `Transition` states: from every state, every move, against a real database.
@Suite struct TransitionTests {
  /// A job in a state, and all that a move may need.
  private struct Walk {
    let queue: TestQueue
    let lease: Lease?

    init(in state: JobState) throws {
      queue = try TestQueue()
      try queue.enqueue("a")
      switch state {
      case .queued: lease = nil
      case .running: lease = try #require(try queue.claim()).lease
      case .done:
        lease = try #require(try queue.claim()).lease
        try queue.session().finish(
          #require(lease), images: [image(0)], statistics: RenderStatistics())
      case .failed:
        lease = try #require(try queue.claim()).lease
        try queue.session().fail(#require(lease), message: "m", kind: .badInput)
      case .cancelled:
        lease = nil
        _ = try queue.client.cancel(job: 1)
      }
      #expect(try queue.state(1) == state)
    }

    /// A lease for a job that may never have had one.
    func someLease() throws -> Lease {
      if let lease { return lease }
      let other = try TestQueue()
      try other.enqueue("a")
      return try #require(try other.claim()).lease
    }

    /// Makes the row say something, as a person would.
    func set(_ change: String) throws { try queue.sql { try $0.execute(sql: "UPDATE jobs SET \(change)") } }

    /// Tries to go a way, as programs do. What refuses it may be an error, or nothing may happen.
    func go(_ name: Transition.Name) throws {
      let (session, client) = (try queue.session(), queue.client)
      switch name {
      case .claim: _ = try session.claim()
      case .refuse:
        // Beyond what anybody may ask for, by hand.
        try set("steps = 1000000")
        _ = try session.claim()
      case .giveUp:
        try queue.sql { db in
          try db.execute(sql: "INSERT INTO lacking_models VALUES ('w', 'demo', 0, 'no such folder')")
        }
        _ = try session.claim(avoiding: .init(models: ["demo"]), modelPatience: 0)
      case .lackSource:
        try queue.sql { db in
          try db.execute(
            sql: """
              INSERT INTO sources (id, batch, source, use, created_at, updated_at) VALUES (1, 1, 'a/b', 'model', 0, 0);
              INSERT INTO job_sources VALUES (1, 1);
              """)
        }
        let fetcher = try queue.fetcher()
        if let source = try fetcher.claim() {
          try fetcher.fail(source, message: "m", tryingAgainIn: nil)
        }
      case .finish: try session.finish(someLease(), images: [image(0)], statistics: RenderStatistics())
      case .retryLater: try session.fail(someLease(), message: "m", kind: .transient)
      case .fail: try session.fail(someLease(), message: "m", kind: .badInput)
      case .stop: try session.cancelled(someLease())
      case .giveBack: try session.giveBack(someLease())
      case .requeueAdvanced, .requeueLost, .failLost, .cancelLost:
        queue.pass(seconds: 61)
        // A pause, so that what is freed is not claimed at once.
        try client.setPaused(true)
        _ = try session.claim()
      case .cancel, .requestCancel: _ = try client.cancel(job: 1)
      case .retry, .hurry: try client.retry(job: 1)
      case .retryFailed: _ = try client.retry(batch: 1)
      case .edit: _ = try client.edit(job: 1) { $0.render.steps = 30 }
      case .collectDone, .collectFailed:
        let shards = ShardedBatch(batch: 1, key: "k", folder: "/shards", jobs: [1])
        try queue.sql { db in
          try db.execute(sql: "UPDATE batches SET shards = '/shards', shards_key = 'k'")
        }
        let isDone = name == .collectDone
        let outcome = ShardOutcome(
          job: 1, attempts: 1, failure: isDone ? nil : JobFailure(message: "m", kind: .badInput),
          images: isDone ? [image(0)] : [])
        _ = try client.collect(outcome, of: shards)
      }
    }
  }

  /// What has to be so before a move, besides the state.
  private static let preparations: [Transition.Name: String] = [
    .requeueAdvanced: "losses = 2, furthest_step = -1", .failLost: "losses = 2",
    .cancelLost: "cancel_requested = 1", .lackSource: "held = 4", .collectDone: "held = 16",
    .collectFailed: "held = 16",
  ]

  @Test(arguments: Transition.Name.allCases) func everyMoveFromEveryState(name: Transition.Name) throws {
    let transition = Transition[name]
    for state in JobState.allCases {
      let walk = try Walk(in: state)
      if transition.from == [state], let preparation = Self.preparations[name] { try walk.set(preparation) }
      let before = try walk.queue.client.details(job: 1)
      let refusal = Result { try walk.go(name) }
      let events = try walk.queue.client.details(job: 1).events.dropFirst(before.events.count)
        .filter { $0.job != nil }.map(\.kind)
      let now = try walk.queue.state(1)
      if transition.from.contains(state), name != .refuse || state == .queued {
        #expect(now == transition.to, "\(name) from \(state): \(refusal)")
        // The claim that meets a row that cannot be right says nothing of a claim.
        #expect(events == transition.events, "\(name) from \(state)")
      } else if !Self.all(from: state, to: now, events).contains(where: { _ in true }) {
        #expect(now == state && events.isEmpty, "\(name) from \(state) led to \(now): \(events)")
        if name != .refuse {
          #expect(try walk.queue.client.details(job: 1).job == before.job, "\(name) from \(state)")
        }
      }
    }
  }

  /// Moves that lead from one state to another and leave these events.
  private static func all(from: JobState, to: JobState, _ events: [Event.Kind]) -> [Transition] {
    Transition.all.filter { $0.from.contains(from) && $0.to == to && $0.events == events && !events.isEmpty }
  }

  /// What each guard keeps from happening, and the move that it keeps.
  private static let broken: [(Transition.Guard, String, Transition.Name)] = [
    (.isDue, "held = 1", .claim), (.isDue, "run_after = 9000000000000", .claim),
    (.suitsNumerics, "numerics = '1/other/x'", .claim),
    (.holdsLease, "claims = claims + 1", .finish), (.holdsLease, "lease_owner = 'x'", .finish),
    (.holdsLease, "claims = claims + 1", .giveBack), (.holdsLease, "lease_owner = 'x'", .fail),
    (.holdsLease, "claims = claims + 1", .retryLater), (.holdsLease, "claims = claims + 1", .stop),
    (.leaseIsOver, "lease_expires = 9000000000000", .requeueLost),
    (.leaseIsOver, "lease_expires = 9000000000000, losses = 2", .failLost),
    (.leaseIsOver, "lease_expires = 9000000000000, cancel_requested = 1", .cancelLost),
    (.gotFurther, "losses = 2, furthest_step = 0", .requeueAdvanced),
    (.isWanted, "cancel_requested = 1", .requestCancel), (.isWanted, "cancel_requested = 1", .giveBack),
    (.isWanted, "cancel_requested = 1", .retryLater), (.hasAttempts, "attempts = 3", .retryLater),
    (.hasAttempts, "attempts = 3", .requeueLost), (.mayBeLostAgain, "losses = 2", .requeueLost),
    (.isUsedUp, "losses = 0", .failLost), (.isUnwanted, "cancel_requested = 0", .cancelLost),
    (.waitsForSource, "held = 0", .lackSource),
    (
      .isUntouched,
      "steps = steps; INSERT INTO checkpoints (job, number, step, state, model_digest, made_at) VALUES (1, 0, 3, x'', '', 0)",
      .edit
    ),
    (
      .isUntouched,
      "steps = steps; INSERT INTO former_images SELECT 1, '/x', 0, 0, 8, 8, 'd', 1, 1, NULL", .edit
    ),
    (.isHere, "held = 16", .edit), (.isHere, "held = 16", .hurry), (.isInShards, "held = 0", .collectDone),
    (.isInShards, "held = 8", .collectFailed),
  ]

  @Test(arguments: broken.indices) func guardsKeepMovesFromHappening(index: Int) throws {
    let (guarded, change, name) = Self.broken[index]
    let transition = Transition[name]
    #expect(transition.guards.contains(guarded))
    let state = try #require(transition.from.first)
    let walk = try Walk(in: state)
    try walk.set(change)
    _ = Result { try walk.go(name) }
    let details = try walk.queue.client.details(job: 1)
    let events = details.events.filter { $0.job != nil }.map(\.kind)
    let mark = transition.events
    #expect(
      details.job.state != transition.to || transition.to == state
        || Array(events.suffix(mark.count)) != mark,
      "\(name) happened although \(change)")
    if transition.to == state { #expect(!events.contains(mark[0])) }
  }

  /// Every guard is broken once, and every pair of a move and a guard is real.
  @Test func noGuardIsForgotten() {
    #expect(Set(Self.broken.map(\.0)) == Set(Transition.Guard.allCases))
  }

  /// The table in docs/queue.md is this one.
  @Test func theDocumentHasTheSameTable() throws {
    let text = try String(contentsOfFile: Places.inRepository("docs/queue.md"), encoding: .utf8)
    #expect(text.contains(Transition.table), "write this into docs/queue.md:\n\(Transition.table)")
  }
}
