import Synchronization

/// What kind of layer an operation belongs to.
package enum LayerKind: String, Sendable, CaseIterable {
  case convolution, linear, attention, normalization
  /// Activations, sums, concatenation, enlargement.
  case elementwise
}

/// Where the time of a computation goes, by kind and shape of layer. Operations inside of operations
/// count for the outer one. One computation at a time.
package final class WorkProfile: Sendable {
  /// What layers of one kind and shape took together.
  package struct Entry: Sendable {
    package let kind: LayerKind
    /// Its shapes, such as `3×3 320→640 64×64 ×2`.
    package let layer: String
    package fileprivate(set) var calls = 0
    package fileprivate(set) var seconds = 0.0
    /// Floating-point operations.
    package fileprivate(set) var operations = 0
  }

  private struct State {
    var depth = 0
    var entries: [String: Entry] = [:]
  }

  private let state = Mutex(State())

  package init() {}

  /// All entries, those that took longest first.
  package var entries: [Entry] {
    state.withLock { $0.entries.values.sorted { ($0.seconds, $1.layer) > ($1.seconds, $0.layer) } }
  }

  /// Forgets what was measured so far.
  package func reset() { state.withLock { $0.entries = [:] } }

  fileprivate func enter() { state.withLock { $0.depth += 1 } }

  fileprivate func leave(_ kind: LayerKind, _ layer: String, seconds: Double, operations: Int) {
    state.withLock { state in
      state.depth -= 1
      guard state.depth == 0 else { return }
      var entry = state.entries[kind.rawValue + layer] ?? Entry(kind: kind, layer: layer)
      entry.calls += 1
      entry.seconds += seconds
      entry.operations += operations
      state.entries[kind.rawValue + layer] = entry
    }
  }
}

/// An operation being measured.
struct Timing {
  private let profile: WorkProfile
  private let kind: LayerKind
  private let layer: String
  private let work: WorkCounter
  private let operations: Int
  private let start = ContinuousClock.now

  fileprivate init(_ profile: WorkProfile, _ kind: LayerKind, _ layer: String, _ work: WorkCounter) {
    self.profile = profile
    self.kind = kind
    self.layer = layer
    self.work = work
    operations = work.total
    profile.enter()
  }

  /// Books the time since the beginning.
  func end() {
    let duration = ContinuousClock.now - start
    profile.leave(
      kind, layer,
      seconds: Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18,
      operations: work.total - operations)
  }
}

extension Compute {
  /// Begins to measure an operation if there is a profile; the caller ends it.
  func timing(_ kind: LayerKind, _ layer: @autoclosure () -> String) -> Timing? {
    profile.map { Timing($0, kind, layer(), work) }
  }
}
