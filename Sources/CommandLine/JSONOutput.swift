import Boundary
import Foundation

/// What `--json` prints.
package enum JSONOutput {
  /// One line: keys in snake case and in order, unprintable characters escaped.
  /// - Throws: `EncodingError`
  package static func text(_ value: some Encodable) throws -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    return PlainText.shown(json: String(decoding: try encoder.encode(value), as: UTF8.self))
  }
}
