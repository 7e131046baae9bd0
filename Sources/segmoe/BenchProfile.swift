import Foundation
import Tensors

/// Where the time of a benchmark went, per run: by kind of layer, and by kind and shape.
struct BenchProfile {
  let entries: [WorkProfile.Entry]
  /// Runs that the entries are of.
  let runs: Int
  /// Operations a second that this machine can do.
  let peak: Double

  private struct Row {
    let kind: String
    let layer: String
    var calls: Int
    var seconds: Double
    var operations: Double
  }

  private var layers: [Row] {
    entries.map {
      Row(
        kind: $0.kind.rawValue, layer: $0.layer, calls: $0.calls / runs,
        seconds: $0.seconds / Double(runs), operations: Double($0.operations) / Double(runs))
    }
  }

  private var kinds: [Row] {
    LayerKind.allCases.compactMap { kind in
      let rows = layers.filter { $0.kind == kind.rawValue }
      guard let first = rows.first else { return nil }
      return rows.dropFirst().reduce(into: first) { sum, row in
        sum.calls += row.calls
        sum.seconds += row.seconds
        sum.operations += row.operations
      }
    }.sorted { $0.seconds > $1.seconds }
  }

  /// Two tables: kinds, then layers that took more than a five-hundredth of the time.
  var table: String {
    let all = layers.reduce(0) { $0 + $1.seconds }
    let head = line("kind", "layer", "calls", "seconds", "share", "GFLOP/s", "of peak")
    func text(_ row: Row, layer: String) -> String {
      let rate = row.operations / max(row.seconds, 1e-9)
      let counts = row.operations > 0
      return line(
        row.kind, layer, "\(row.calls)", String(format: "%.4f", row.seconds),
        String(format: "%.1f%%", 100 * row.seconds / max(all, 1e-9)),
        counts ? String(format: "%.1f", rate / 1e9) : "-",
        counts ? String(format: "%.0f%%", 100 * rate / peak) : "-")
    }
    let shown = layers.filter { $0.seconds > all / 500 }
    return
      ([head] + kinds.map { text($0, layer: "all") } + ["", head] + shown.map { text($0, layer: $0.layer) })
      .joined(separator: "\n")
  }

  /// `"kinds": […], "layers": […]`.
  var json: String {
    func list(_ rows: [Row], named: Bool) -> String {
      rows.map { row in
        let rate = row.operations / max(row.seconds, 1e-9)
        let layer = named ? "\"layer\": \"\(row.layer)\", " : ""
        return "{\"kind\": \"\(row.kind)\", \(layer)\"calls\": \(row.calls), "
          + String(
            format: "\"seconds\": %.6f, \"gflops\": %.2f, \"peak_share\": %.4f}", row.seconds, rate / 1e9,
            rate / peak)
      }.joined(separator: ", ")
    }
    return "\"kinds\": [\(list(kinds, named: false))], \"layers\": [\(list(layers, named: true))]"
  }

  private func line(_ columns: String...) -> String {
    let widths = [13, 34, 5, 9, 6, 8, 7]
    return zip(columns, widths).enumerated().map { index, column in
      let space = String(repeating: " ", count: max(0, column.1 - column.0.count))
      return index < 2 ? column.0 + space : space + column.0
    }.joined(separator: "  ")
  }
}
