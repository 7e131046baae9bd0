import Requests
import Tensors

/// A part of a run in which all networks are in one precision.
struct BenchStretch {
  let precision: Precision
  let entries: [WorkProfile.Entry]
}

/// The time and work of several layers in one run.
struct BenchSum {
  let kind: LayerKind
  /// Their shapes; nil for all layers of the kind.
  let layer: String?
  private(set) var calls = 0
  private(set) var seconds = 0.0
  /// Floating-point operations by precision; empty if they are not counted.
  private(set) var operations: [Precision: Double] = [:]

  init(_ kind: LayerKind) {
    self.kind = kind
    layer = nil
  }

  init(_ entry: WorkProfile.Entry, in precision: Precision) {
    kind = entry.kind
    layer = entry.layer
    calls = entry.calls
    seconds = entry.seconds
    if let arithmetic = kind.arithmetic(in: precision) { operations[arithmetic] = Double(entry.operations) }
  }

  mutating func add(_ other: BenchSum) {
    calls += other.calls
    seconds += other.seconds
    operations.merge(other.operations, uniquingKeysWith: +)
  }

  /// Seconds that its operations would take at the peak speed of their precision.
  func secondsAtPeak(_ peaks: [Precision: Double]) -> Double {
    operations.reduce(0) { $0 + $1.value / (peaks[$1.key] ?? .infinity) }
  }
}

/// The time of a run by kind of layer, and by kind and shape.
struct BenchProfile {
  /// The longest first.
  let layers: [BenchSum]
  /// All kinds, the longest first.
  let kinds: [BenchSum]

  init(_ stretches: [BenchStretch]) {
    let layers = stretches.flatMap { stretch in
      stretch.entries.map { BenchSum($0, in: stretch.precision) }
    }
    self.layers = Self.merged(layers).sorted { $0.seconds > $1.seconds }
    kinds = LayerKind.allCases.map { kind in
      layers.filter { $0.kind == kind }.reduce(into: BenchSum(kind)) { $0.add($1) }
    }.sorted { $0.seconds > $1.seconds }
  }

  /// Merges the sums of the same kind, shape and precision, because each step is a stretch of its own.
  private static func merged(_ layers: [BenchSum]) -> [BenchSum] {
    struct Key: Hashable {
      let kind: LayerKind
      let layer: String?
      let arithmetic: Precision?
    }
    return Dictionary(grouping: layers) {
      Key(kind: $0.kind, layer: $0.layer, arithmetic: $0.operations.keys.first)
    }.values.compactMap { same -> BenchSum? in
      guard let first = same.first else { return nil }
      return same.dropFirst().reduce(into: first) { $0.add($1) }
    }
  }

  /// The precisions of the operations.
  var arithmetics: [Precision] {
    Precision.allCases.filter { precision in kinds.contains { $0.operations[precision] != nil } }
  }

  /// Seconds that all operations would take at the peak speeds.
  func secondsAtPeak(_ peaks: [Precision: Double]) -> Double {
    kinds.reduce(0) { $0 + $1.secondsAtPeak(peaks) }
  }
}
