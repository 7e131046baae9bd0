import Boundary
import Foundation

/// What `--json` prints.
package enum JSONOutput {
  /// One line: keys in order, unprintable characters escaped.
  /// - Parameters:
  ///   - value: what to print.
  ///   - strategy: how keys are written.
  /// - Throws: `EncodingError`
  package static func text(
    _ value: some Encodable, keys strategy: JSONEncoder.KeyEncodingStrategy = .convertToSnakeCase
  ) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = strategy
    return PlainText.shown(json: String(decoding: try encoder.encode(value), as: UTF8.self))
  }
}
