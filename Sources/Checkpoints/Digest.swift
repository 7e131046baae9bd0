import CKernels
import Synchronization
import Tensors

/// A SHA-256 under way.
package struct Digest {
  private var hash = segmoe_sha256()

  /// The hash of nothing so far.
  package init() { segmoe_sha256_begin(&hash) }

  /// Adds bytes.
  package mutating func add(_ bytes: [UInt8]) {
    segmoe_sha256_add(&hash, bytes, bytes.count)
  }

  /// Adds the SHA-256 of each piece of 16 MiB of a file, in order, which all processors work out: of a model it is the
  /// hash that a render waits for. Errors: those of reading.
  package mutating func add(piecesOf reader: FileReader) throws {
    let piece = 16 << 20
    let count = (reader.size + piece - 1) / piece
    let results = Mutex<(digests: [[UInt8]], error: (any Error)?)>((Array(repeating: [], count: count), nil))
    ThreadPool(threadCount: min(count, ProcessorLimit.current)).run(count) { index in
      let range = index * piece..<min(reader.size, (index + 1) * piece)
      do {
        var part = Digest()
        try part.add(range, of: reader)
        let digest = part.bytes()
        results.withLock { $0.digests[index] = digest }
      } catch {
        results.withLock { $0.error = $0.error ?? error }
      }
    }
    let (digests, error) = results.withLock { $0 }
    if let error { throw error }
    for digest in digests { add(digest) }
  }

  /// Adds a whole file. Errors: those of reading.
  package mutating func add(contentsOf reader: FileReader) throws {
    try add(0..<reader.size, of: reader)
  }

  /// Some bytes of a file, a quarter of a megabyte at a time: they are still in the cache when they are hashed.
  private mutating func add(_ range: Range<Int>, of reader: FileReader) throws {
    let chunk = 256 << 10
    try withUnsafeTemporaryAllocation(byteCount: chunk, alignment: 64) { buffer in
      for offset in stride(from: range.lowerBound, to: range.upperBound, by: chunk) {
        let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(chunk, range.upperBound - offset)])
        try reader.read(into: part, at: offset)
        segmoe_sha256_add(&hash, part.baseAddress, part.count)
      }
    }
  }

  /// The digest of all that was added, 32 bytes as 64 lower-case hexadecimal digits.
  package consuming func hexadecimal() -> String {
    let digits = Array("0123456789abcdef".utf8)
    let text = bytes().flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    return String(decoding: text, as: UTF8.self)
  }

  private consuming func bytes() -> [UInt8] {
    var digest = [UInt8](repeating: 0, count: 32)
    segmoe_sha256_end(&hash, &digest)
    return digest
  }
}
