import Foundation
import Requests
import Tensors

/// The output of `bench`, as JSON and as text.
struct BenchReport: Encodable {
  /// Rows, columns and depth of the product whose speed is the peak.
  static let peakEdge = 2048

  let subject: String
  let width: Int
  let height: Int
  let precision: String
  let instructions: String
  let threads: Int
  let seconds: Seconds
  let gflops: Double
  /// The time of all operations at peak speed, as a share of the median.
  let peakShare: Double
  /// Peak memory of the measured runs and of everything before them.
  let peakRSSBytes: Int64
  /// By precision.
  let peakGflops: [String: Double]
  let kinds: [BenchRow]
  let layers: [BenchRow]?

  /// Of the measured runs.
  struct Seconds: Encodable {
    let min: Double
    let median: Double
    let all: [Double]
  }

  /// The totals, a table of kinds, and a table of layers that took more than a five-hundredth of the time.
  var text: String {
    let all = kinds.reduce(0) { $0 + $1.seconds }
    let peaks = peakGflops.sorted { $0.key < $1.key }.map { "\($0.key) " + Self.number($0.value) }
    var lines = [
      "\(subject) \(width)x\(height), \(precision) on \(instructions), \(threads) threads",
      "seconds     min \(Self.number(seconds.min)), median \(Self.number(seconds.median)), of \(seconds.all.count)",
      "GFLOP/s     \(Self.number(gflops)), \(Self.number(100 * peakShare))% of the peak",
      "peak        \(peaks.joined(separator: ", ")) GFLOP/s: a \(Self.peakEdge)³ product here",
      "memory      \(peakRSSBytes / 1_048_576) MiB at most", "", BenchRow.head,
    ]
    lines += kinds.map { $0.line(of: all) }
    if let layers {
      lines += ["", BenchRow.head]
      lines += layers.filter { $0.seconds > all / 500 }.map { $0.line(of: all) }
    }
    lines += ["", Self.footnote]
    return lines.joined(separator: "\n")
  }

  private static let footnote = """
    Layers are timed in one run more than those above. Operations of convolutions are counted as of direct ones.
    Most of those in f32 run by Winograd's algorithm, with a fourth of the multiplications: more than 100% is right.
    """

  private static func number(_ value: Double) -> String { String(format: "%.4f", value) }
}

/// A row of the tables.
struct BenchRow: Encodable {
  let kind: String
  /// nil for all layers of the kind.
  let layer: String?
  let calls: Int
  let seconds: Double
  /// nil if operations are not counted.
  let gflops: Double?
  let peakShare: Double?
  /// Which peak the share refers to: `int8`, or `f32+int8` if some operations are in one and some in the other.
  let peak: String?
  /// `direct` for convolutions, whose operations are counted for the direct algorithm, whichever is used.
  let counted: String?

  /// - Parameters:
  ///   - sum: what the row shows.
  ///   - peaks: operations per second by precision.
  init(_ sum: BenchSum, _ peaks: [Precision: Double]) {
    kind = sum.kind.rawValue
    layer = sum.layer
    calls = sum.calls
    seconds = sum.seconds
    counted = sum.kind == .convolution ? "direct" : nil
    guard !sum.operations.isEmpty else {
      gflops = nil
      peakShare = nil
      peak = nil
      return
    }
    let time = max(sum.seconds, 1e-9)
    gflops = sum.operations.values.reduce(0, +) / time / 1e9
    peakShare = sum.secondsAtPeak(peaks) / time
    peak = Precision.allCases.filter { sum.operations[$0] != nil }.map(\.rawValue).joined(separator: "+")
  }

  static let head = columns("kind", "layer", "calls", "seconds", "share", "GFLOP/s", "of peak", "peak")

  /// - Parameter all: seconds of all rows.
  func line(of all: Double) -> String {
    Self.columns(
      kind, layer ?? "all", "\(calls)", String(format: "%.4f", seconds),
      String(format: "%.1f%%", 100 * seconds / max(all, 1e-9)),
      gflops.map { String(format: "%.1f", $0) } ?? "-",
      peakShare.map { String(format: "%.0f%%", 100 * $0) } ?? "-", peak ?? "-")
  }

  private static func columns(_ texts: String...) -> String {
    let widths = [13, 34, 5, 9, 6, 8, 7, 9]
    return zip(texts, widths).enumerated().map { index, column in
      let space = String(repeating: " ", count: max(0, column.1 - column.0.count))
      return index < 2 ? column.0 + space : space + column.0
    }.joined(separator: "  ")
  }
}
