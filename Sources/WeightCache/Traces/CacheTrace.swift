import Foundation

/// Which parts a render used, in order. With that the cache can be replayed under other policies and budgets.
package struct CacheTrace: Sendable, Equatable {
  /// One use.
  package struct Use: Sendable, Equatable, Codable {
    package let part: String
    /// Bytes of packed weights.
    package let bytes: Int
    /// Number of the denoising step, from 1; nil outside the steps.
    package var step: Int?

    package init(part: String, bytes: Int, step: Int? = nil) {
      self.part = part
      self.bytes = bytes
      self.step = step
    }
  }

  package var uses: [Use]

  package init(uses: [Use]) { self.uses = uses }

  /// Bytes that one part may have in a file: 1 TiB, far more than any part has.
  package static let mostPartBytes = 1 << 40

  /// Bytes that all uses of a file may have together: 8 PiB, far more than a render uses. Up to this size no sum of a
  /// replay can overflow, and a Double is exact.
  package static let mostBytes = 1 << 53

  /// Reads JSON lines, as `segmoe render … --trace` writes them. Empty lines are skipped, but counted for messages.
  /// - Parameters:
  ///   - data: the bytes of the file.
  ///   - path: the file that they come from, for messages.
  /// - Throws: `CacheTraceError` for a line that no render can have written.
  package init(lines data: Data, path: String) throws(CacheTraceError) {
    let decoder = JSONDecoder()
    var uses: [Use] = []
    var (rest, number, total) = (data, 0, 0)
    while !rest.isEmpty {
      let line = rest.prefix { $0 != UInt8(ascii: "\n") }
      rest = rest.dropFirst(line.count + 1)
      number += 1
      if line.isEmpty { continue }
      guard let use = try? decoder.decode(Use.self, from: line) else {
        throw .notAUse(path: path, line: number)
      }
      guard use.bytes >= 0, use.bytes <= Self.mostPartBytes else {
        throw .partBytes(path: path, line: number, bytes: use.bytes, most: Self.mostPartBytes)
      }
      if let step = use.step, step < 1 { throw .step(path: path, line: number, step: step) }
      total += use.bytes
      guard total <= Self.mostBytes else {
        throw .totalBytes(path: path, line: number, bytes: total, most: Self.mostBytes)
      }
      uses.append(use)
    }
    self.init(uses: uses)
  }
}

/// Why a file is no trace of a render. Lines count from 1.
package enum CacheTraceError: Error, Equatable, CustomStringConvertible {
  /// A line that is not the JSON of a use.
  case notAUse(path: String, line: Int)
  /// A part with a negative number of bytes, or more than `mostPartBytes`.
  case partBytes(path: String, line: Int, bytes: Int, most: Int)
  /// A step number below 1.
  case step(path: String, line: Int, step: Int)
  /// With this line, the uses have more than `mostBytes` together.
  case totalBytes(path: String, line: Int, bytes: Int, most: Int)

  /// One line that names the place, the value and what is allowed. The part is not named, because its name comes from
  /// the file and may hold anything.
  package var description: String {
    switch self {
    case .notAUse(let path, let line):
      "\(path), line \(line): not a use of a part, as --trace writes it"
    case .partBytes(let path, let line, let bytes, let most):
      "\(path), line \(line): \(bytes) bytes of a part are out of range; allowed: 0 to \(most)"
    case .step(let path, let line, let step):
      "\(path), line \(line): step \(step) is out of range; allowed: 1 or more, or none"
    case .totalBytes(let path, let line, let bytes, let most):
      "\(path), line \(line): \(bytes) bytes of all uses so far are too many; allowed: \(most)"
    }
  }
}
