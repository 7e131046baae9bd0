/// A move of a job from one state to another. `all` is the whole state machine. From it come the SQL of every update
/// that changes a job's state, the rows of `events`, and the table in docs/queue.md.
package struct Transition: Sendable {
  /// The name of a move.
  package enum Name: String, CaseIterable, Sendable {
    case claim, refuse, giveUp, lackSource, finish, retryLater, fail, stop, giveBack, requeueAdvanced,
      requeueLost,
      failLost,
      cancelLost, cancel,
      requestCancel, retry, retryFailed, hurry, edit, collectDone, collectFailed
  }

  /// A condition besides the state.
  package enum Guard: Sendable, CaseIterable {
    case isDue, suitsNumerics, holdsLease, leaseIsOver, gotFurther, hasAttempts, mayBeLostAgain, isUsedUp,
      isUnwanted, isWanted, waitsForSource, isUntouched, isHere, isInShards
  }

  package let name: Name
  /// The states in which it may begin.
  package let from: [JobState]
  package let to: JobState
  package let guards: [Guard]
  /// The events that it writes.
  package let events: [Event.Kind]
  /// Who makes the move and when, in words.
  package let meaning: String

  private init(
    _ name: Name, from: [JobState], to: JobState, if guards: [Guard] = [], events: [Event.Kind],
    _ meaning: String
  ) {
    self.name = name
    self.from = from
    self.to = to
    self.guards = guards
    self.events = events
    self.meaning = meaning
  }

  /// The move with a name.
  package static subscript(_ name: Name) -> Transition {
    switch name {
    case .claim:
      Transition(
        .claim, from: [.queued], to: .running, if: [.isDue, .suitsNumerics], events: [.claimed],
        "a worker takes it")
    case .refuse:
      Transition(
        .refuse, from: [.queued, .running], to: .failed, events: [.failed],
        "its row cannot be right; whoever meets it ends it")
    case .giveUp:
      Transition(
        .giveUp, from: [.queued], to: .failed, if: [.isDue], events: [.failed],
        "no living worker has had its model, or a file that it adds to it, for `model_patience`")
    case .lackSource:
      Transition(
        .lackSource, from: [.queued], to: .failed, if: [.waitsForSource], events: [.failed],
        "the fetcher cannot have what it names of a hub")
    case .finish:
      Transition(
        .finish, from: [.running], to: .done, if: [.holdsLease], events: [.done], "its pictures are on disk")
    case .retryLater:
      Transition(
        .retryLater, from: [.running], to: .queued, if: [.holdsLease, .isWanted, .hasAttempts],
        events: [.retrying], "the attempt failed; the next comes after a pause")
    case .fail:
      Transition(
        .fail, from: [.running], to: .failed, if: [.holdsLease], events: [.failed],
        "the attempt failed, and no other can help: it was the last, or the request is wrong")
    case .stop:
      Transition(
        .stop, from: [.running], to: .cancelled, if: [.holdsLease], events: [.cancelled],
        "its worker has heard that it is cancelled")
    case .giveBack:
      Transition(
        .giveBack, from: [.running], to: .queued, if: [.holdsLease, .isWanted], events: [.givenBack],
        "its worker stops; the attempt does not count")
    case .requeueAdvanced:
      Transition(
        .requeueAdvanced, from: [.running], to: .queued, if: [.leaseIsOver, .isWanted, .gotFurther],
        events: [.lost],
        "its worker vanished, but after more steps than ever: neither loss nor attempt counts")
    case .requeueLost:
      Transition(
        .requeueLost, from: [.running], to: .queued,
        if: [.leaseIsOver, .isWanted, .hasAttempts, .mayBeLostAgain], events: [.lost], "its worker vanished")
    case .failLost:
      Transition(
        .failLost, from: [.running], to: .failed, if: [.leaseIsOver, .isWanted, .isUsedUp],
        events: [.lost, .failed], "its worker vanished, and had done so too often")
    case .cancelLost:
      Transition(
        .cancelLost, from: [.running], to: .cancelled, if: [.leaseIsOver, .isUnwanted],
        events: [.lost, .cancelled], "its worker vanished before it heard of the cancellation")
    case .cancel:
      Transition(.cancel, from: [.queued], to: .cancelled, events: [.cancelled], "`segmoectl cancel`")
    case .requestCancel:
      Transition(
        .requestCancel, from: [.running], to: .running, if: [.isWanted], events: [.cancelRequested],
        "`segmoectl cancel`; its worker will stop")
    case .retry:
      Transition(
        .retry, from: [.failed, .cancelled, .done], to: .queued, events: [.retried],
        "`segmoectl retry`; all its attempts are there again. Pictures of a done job stay, beside the new ones; those of another are not rendered again"
      )
    case .retryFailed:
      Transition(
        .retryFailed, from: [.failed, .cancelled], to: .queued, events: [.retried],
        "`segmoectl retry --batch`; done jobs stay as they are")
    case .hurry:
      Transition(
        .hurry, from: [.queued], to: .queued, if: [.isHere], events: [.retried],
        "`segmoectl retry`; it waits no longer")
    case .edit:
      Transition(
        .edit, from: [.queued], to: .queued, if: [.isUntouched, .isHere], events: [.edited],
        "`segmoectl edit`; it has other settings, and all its attempts")
    case .collectDone:
      Transition(
        .collectDone, from: [.queued], to: .done, if: [.isInShards], events: [.collected],
        "`segmoectl collect`; it is done in a shard")
    case .collectFailed:
      Transition(
        .collectFailed, from: [.queued], to: .failed, if: [.isInShards], events: [.collected],
        "`segmoectl collect`; it failed in a shard")
    }
  }

  /// All moves.
  package static var all: [Transition] { Name.allCases.map { Self[$0] } }

  /// The table in docs/queue.md.
  package static var table: String {
    let rows = all.map { transition in
      let from = transition.from.map { "`\($0.rawValue)`" }.joined(separator: ", ")
      let events = transition.events.map { "`\($0.rawValue)`" }.joined(separator: ", ")
      let guards = transition.guards.map(\.meaning).joined(separator: ", ")
      return "| \(from) | `\(transition.to.rawValue)` | \(transition.meaning) | \(guards) | \(events) |"
    }
    return (["| from | to | when | if | events |", "|---|---|---|---|---|"] + rows).joined(separator: "\n")
  }
}

extension Transition.Guard {
  /// The condition in words.
  package var meaning: String {
    switch self {
    case .isDue: "it is due, and neither paused nor held"
    case .suitsNumerics: "it waits for no class of numerics, or for the worker's"
    case .holdsLease: "the worker holds the lease"
    case .gotFurther: "it got further than at the losses before"
    case .leaseIsOver: "the lease has run out, or its worker starts anew"
    case .hasAttempts: "attempts are left"
    case .mayBeLostAgain: "this is not the third loss"
    case .isUsedUp: "no attempt is left, or this is the third loss"
    case .isUnwanted: "its cancellation was asked for"
    case .isWanted: "nobody asked to cancel it"
    case .waitsForSource: "it waits for what it names of a hub"
    case .isUntouched: "it has neither pictures nor saved steps"
    case .isHere: "it is not in shards"
    case .isInShards: "it is in shards"
    }
  }
}
