import Boundary

/// Texts of a PNG file, found by its chunks alone: nothing is unpacked, and no pixel is read.
package enum PNGTextScan {
  private static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  /// The uncompressed text under a keyword.
  /// - Parameters:
  ///   - keyword: the first such text counts.
  ///   - path: the file.
  ///   - limit: bytes of the file that are looked at, from its start.
  /// - Returns: nil for a file that has none, is no PNG or cannot be read.
  package static func text(_ keyword: String, in path: String, limit: Int = 1 << 20) -> String? {
    (try? FileBytes.read(path, limit: .max, first: limit)).flatMap { text(keyword, of: $0) }
  }

  /// The uncompressed text under a keyword.
  /// - Parameters:
  ///   - keyword: the first such text counts.
  ///   - bytes: a file's, from its start.
  /// - Returns: nil for bytes that have none, or are no PNG.
  package static func text(_ keyword: String, of bytes: [UInt8]) -> String? {
    guard bytes.starts(with: signature) else { return nil }
    var rest = bytes[signature.count...]
    while rest.count >= 12 {
      let length = rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
      let name = rest.dropFirst(4).prefix(4)
      guard length <= rest.count - 12 else { return nil }
      let data = rest.dropFirst(8).prefix(length)
      if let found = text(keyword, chunk: name, data) { return found }
      rest = rest.dropFirst(12 + length)
    }
    return nil
  }

  private static func text(_ keyword: String, chunk: ArraySlice<UInt8>, _ data: ArraySlice<UInt8>) -> String?
  {
    guard data.starts(with: Array(keyword.utf8) + [0]) else { return nil }
    let rest = data.dropFirst(keyword.utf8.count + 1)
    if chunk.elementsEqual("tEXt".utf8) {
      return String(String.UnicodeScalarView(rest.map { Unicode.Scalar($0) }))
    }
    // iTXt: a flag and a method of compression, then a language and a translated keyword, each ended by a zero.
    guard chunk.elementsEqual("iTXt".utf8), rest.first == 0 else { return nil }
    let parts = rest.dropFirst(2).split(separator: 0, maxSplits: 2, omittingEmptySubsequences: false)
    return parts.count == 3 ? String(validating: parts[2], as: UTF8.self) : nil
  }
}
