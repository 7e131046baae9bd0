/// Numbers in Prometheus's text format, which its node exporter takes from a file.
///
///     var page = PrometheusPage(["worker": "render-1"])
///     page.add("segmoe_images_total", "counter", "Pictures written.", 3)
///     page.text                                        // … segmoe_images_total{worker="render-1"} 3
package struct PrometheusPage {
  /// What has been added, with a line break at the end.
  package private(set) var text = ""
  private let common: [(label: String, value: String)]

  /// - Parameter labels: what every number has.
  package init(_ labels: KeyValuePairs<String, String> = [:]) {
    common = labels.map { ($0.key, $0.value) }
  }

  /// Adds a whole number.
  /// - Parameters:
  ///   - name: of the metric.
  ///   - type: counter or gauge.
  ///   - help: what it is, in one line.
  ///   - value: the number.
  package mutating func add(
    _ name: String, _ type: String, _ help: String, _ value: some BinaryInteger
  ) {
    add(name, type, help, Double(value))
  }

  /// Adds a number.
  /// - Parameters:
  ///   - name: of the metric.
  ///   - type: counter or gauge.
  ///   - help: what it is, in one line.
  ///   - value: the number.
  package mutating func add(_ name: String, _ type: String, _ help: String, _ value: Double) {
    begin(name, type, help)
    line(name, common, value)
  }

  /// Adds numbers that one label tells apart.
  /// - Parameters:
  ///   - name: of the metric.
  ///   - type: counter or gauge.
  ///   - help: what it is, in one line.
  ///   - label: the label.
  ///   - values: its values, each with its number.
  package mutating func add(
    _ name: String, _ type: String, _ help: String, by label: String, _ values: [(String, Int)]
  ) {
    begin(name, type, help)
    for (value, number) in values { line(name, common + [(label, value)], Double(number)) }
  }

  private mutating func begin(_ name: String, _ type: String, _ help: String) {
    text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
  }

  private mutating func line(_ name: String, _ labels: [(label: String, value: String)], _ value: Double) {
    let list = labels.map { "\($0.label)=\"\(Self.escaped($0.value))\"" }.joined(separator: ",")
    text +=
      "\(name)\(list.isEmpty ? "" : "{\(list)}") \(Int64(exactly: value).map { "\($0)" } ?? "\(value)")\n"
  }

  private static func escaped(_ text: String) -> String {
    text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
  }
}
