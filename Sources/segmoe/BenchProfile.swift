import Requests
import Tensors

/// A part of a run in which all networks are in one precision.
struct BenchStretch {
  let precision: Precision
  let entries: [WorkProfile.Entry]
}

/// What layers took together in one run.
struct BenchSum {
  let kind: LayerKind
  /// Their shapes; nil: all of the kind.
  let layer: String?
  private(set) var calls = 0
  private(set) var seconds = 0.0
  /// Floating-point operations by what they were computed in; none where they are not counted.
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

  /// What its operations would take at the peaks, in operations a second, of what they were computed in.
  func secondsAtPeak(_ peaks: [Precision: Double]) -> Double {
    operations.reduce(0) { $0 + $1.value / (peaks[$1.key] ?? .infinity) }
  }
}

/// Where the time of a run went: by kind of layer, and by kind and shape.
struct BenchProfile {
  /// Those that took longest first.
  let layers: [BenchSum]
  /// Every kind, those that took longest first.
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

  /// One sum for all of the same kind and shape in the same arithmetic: stretches are as many as steps.
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

  /// What the operations were computed in.
  var arithmetics: [Precision] {
    Precision.allCases.filter { precision in kinds.contains { $0.operations[precision] != nil } }
  }

  /// What all operations would take at the peaks.
  func secondsAtPeak(_ peaks: [Precision: Double]) -> Double {
    kinds.reduce(0) { $0 + $1.secondsAtPeak(peaks) }
  }
}
