import Foundation

/// The memory that opening a model's files takes beside its weights: headers and configurations are parsed whole.
package enum OpeningCost {
  /// Bytes beyond what ordinary files take, which is little and has room in the margin of a memory budget. Nothing is
  /// parsed for that. A file that cannot be looked at costs nothing: opening it says why.
  /// - Parameter paths: files, and folders of models or of their components.
  package static func beyondOrdinary(_ paths: [String]) -> Int {
    paths.reduce(0) { $0 + cost($1, depth: 2) }
  }

  /// Bytes of a header or configuration that any model may have.
  private static let ordinary = 4 << 20

  /// Bytes of memory for a byte of a header: names, shapes and tables, while the text is still there. Measured: 7.
  private static let ofHeader = 8

  /// Bytes of memory for a byte of JSON, which may be two of a list's number.
  private static let ofJSON = 24

  /// The largest configuration that is read; a larger one is refused.
  private static let largestJSON = 64 << 20

  private static func cost(_ path: String, depth: Int) -> Int {
    var status = stat()
    guard stat(path, &status) == 0 else { return 0 }
    switch status.st_mode & S_IFMT {
    case S_IFDIR:
      guard depth > 0, let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
        return 0
      }
      return names.reduce(0) { $0 + cost(path + "/" + $1, depth: depth - 1) }
    case S_IFREG:
      if path.hasSuffix(".json") {
        let size = Int(status.st_size)
        return size > largestJSON ? 0 : ofJSON * max(0, size - ordinary)
      }
      return ofHeader * max(0, headerLength(path) - ordinary)
    default: return 0
    }
  }

  /// Bytes of a safetensors header; 0 for a file of another kind, or one that is refused.
  private static func headerLength(_ path: String) -> Int {
    guard path.hasSuffix(".safetensors") || path.hasSuffix(".sft"),
      let reader = try? FileReader(path: path, purpose: "weights"), reader.size > 8
    else { return 0 }
    var length: UInt64 = 0
    guard (try? withUnsafeMutableBytes(of: &length) { try reader.read(into: $0, at: 0) }) != nil else {
      return 0
    }
    length = UInt64(littleEndian: length)
    return length <= UInt64(min(SafetensorsHeader.largest, reader.size - 8)) ? Int(length) : 0
  }
}
