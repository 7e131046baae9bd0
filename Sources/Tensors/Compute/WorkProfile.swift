import Requests
import Synchronization

/// What kind of layer an operation belongs to.
package enum LayerKind: String, Sendable, CaseIterable {
  case convolution, linear, attention, normalization
  /// Activations, sums, concatenation, enlargement.
  case elementwise

  /// The precision in which layers of this kind are multiplied if their network is in `precision`; nil if their
  /// operations are not counted. The few layers that are always in single precision, and attention to few keys
  /// (docs/precision.md), are not distinguished.
  package func arithmetic(in precision: Precision) -> Precision? {
    switch self {
    case .linear: precision
    case .attention: AttentionKernels.arithmetic(precision: precision, keys: .max, causal: false)
    // Most run by Winograd's algorithm, in single precision. In int8 none does, and on AMX's tiles none in bf16.
    case .convolution: precision == .bf16 && !ProductInstructions.multiplyOnTiles ? .f32 : precision
    case .normalization, .elementwise: nil
    }
  }
}

/// Where the time of a computation goes, by kind and shape of layer. An operation inside another one counts for the
/// outer one. It records one computation at a time, and only while it is told to, so that other timings do not pay for
/// it.
package final class WorkProfile: Sendable {
  /// The time and work of all layers of one kind and shape.
  package struct Entry: Sendable {
    package let kind: LayerKind
    /// The shapes, such as `3×3 320→640 64×64 ×2`.
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
  private let recording = Atomic<Bool>(false)

  package init() {}

  fileprivate var isRecording: Bool { recording.load(ordering: .relaxed) }

  /// Records what `body` computes.
  package func record<R>(_ body: () throws -> R) rethrows -> R {
    recording.store(true, ordering: .relaxed)
    defer { recording.store(false, ordering: .relaxed) }
    return try body()
  }

  /// All entries since the last call, the longest first.
  package func take() -> [Entry] {
    let entries = state.withLock { state in
      defer { state.entries = [:] }
      return state.entries
    }
    return entries.values.sorted { ($0.seconds, $1.layer) > ($1.seconds, $0.layer) }
  }

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
  private let profile: WorkProfile?
  private let trace: SectionTrace?
  private let kind: LayerKind
  private let layer: String
  private let work: WorkCounter
  private let operations: Int
  private let start = ContinuousClock.now

  fileprivate init(
    _ profile: WorkProfile?, _ trace: SectionTrace?, _ kind: LayerKind, _ layer: String, _ work: WorkCounter
  ) {
    self.profile = profile
    self.trace = trace
    self.kind = kind
    self.layer = layer
    self.work = work
    operations = work.total
    profile?.enter()
    trace?.enter("\(kind.rawValue) \(layer)")
  }

  /// Adds the time since the beginning.
  func end() {
    let duration = ContinuousClock.now - start
    profile?.leave(kind, layer, seconds: duration.seconds, operations: work.total - operations)
    trace?.leave()
  }
}

extension Compute {
  /// Begins to measure an operation if there is a profile or a trace that records; the caller ends it.
  func timing(_ kind: LayerKind, _ layer: @autoclosure () -> String) -> Timing? {
    let profile = profile.flatMap { $0.isRecording ? $0 : nil }
    guard profile != nil || trace != nil else { return nil }
    return Timing(profile, trace, kind, layer(), work)
  }
}

extension [Double] {
  /// The median; for an even number, the mean of the two middle values. Nil if there are no values.
  package var median: Double? {
    if isEmpty { return nil }
    let (values, half) = (self.sorted(), count / 2)
    return count.isMultiple(of: 2) ? (values[half - 1] + values[half]) / 2 : values[half]
  }
}

/// Floating-point operations of products, convolutions and attention, a multiply-add counted as two.
/// Normalizations and activations are not counted.
package final class WorkCounter: Sendable {
  private let operations = Atomic<Int>(0)

  /// Operations so far.
  package var total: Int { operations.load(ordering: .relaxed) }

  func add(_ count: Int) { operations.add(count, ordering: .relaxed) }
}
