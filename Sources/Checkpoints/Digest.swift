import CKernels

/// A SHA-256 under way.
package struct Digest {
  private var hash = segmoe_sha256()

  /// The hash of nothing so far.
  package init() { segmoe_sha256_begin(&hash) }

  /// Adds bytes.
  package mutating func add(_ bytes: [UInt8]) {
    segmoe_sha256_add(&hash, bytes, bytes.count)
  }

  /// Adds a whole file, a megabyte at a time. Errors: those of reading.
  package mutating func add(contentsOf reader: FileReader) throws {
    let chunk = 1 << 20
    try withUnsafeTemporaryAllocation(byteCount: chunk, alignment: 64) { buffer in
      for offset in stride(from: 0, to: reader.size, by: chunk) {
        let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(chunk, reader.size - offset)])
        try reader.read(into: part, at: offset)
        segmoe_sha256_add(&hash, part.baseAddress, part.count)
      }
    }
  }

  /// The digest of all that was added, 32 bytes as 64 lower-case hexadecimal digits.
  package consuming func hexadecimal() -> String {
    var digest = [UInt8](repeating: 0, count: 32)
    segmoe_sha256_end(&hash, &digest)
    let digits = Array("0123456789abcdef".utf8)
    let text = digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    return String(decoding: text, as: UTF8.self)
  }
}
