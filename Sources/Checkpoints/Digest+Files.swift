import Boundary
import Synchronization
import Tensors

/// Hashes of large files.
extension Digest {
  /// Adds the SHA-256 of each piece of 16 MiB of a file, in order.
  /// - Parameters:
  ///   - reader: the file.
  ///   - memory: has them from an earlier start, perhaps; nil: the file is hashed.
  /// - Throws: what reading throws.
  package mutating func add(piecesOf reader: FileReader, _ memory: DigestMemory?) throws {
    let piece = 16 << 20
    let count = (reader.size + piece - 1) / piece
    let compute = { try Self.digests(of: reader, count: count, piece: piece) }
    for digest in try memory?.digests(of: reader, count: count, compute) ?? compute() { add(digest) }
  }

  /// The SHA-256 of each piece of a file. All processors compute pieces, because the first render of a model waits for
  /// its hash.
  private static func digests(of reader: FileReader, count: Int, piece: Int) throws -> [[UInt8]] {
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
    return digests
  }

  /// Adds a whole file.
  /// - Throws: what reading throws.
  package mutating func add(contentsOf reader: FileReader) throws {
    try add(0..<reader.size, of: reader)
  }

  /// Adds a range of a file, a quarter of a megabyte at a time, so that the bytes are still in the processor's cache
  /// when they are hashed.
  mutating func add(_ range: Range<Int>, of reader: FileReader) throws {
    let chunk = 256 << 10
    try withUnsafeTemporaryAllocation(byteCount: chunk, alignment: 64) { buffer in
      for offset in stride(from: range.lowerBound, to: range.upperBound, by: chunk) {
        let part = UnsafeMutableRawBufferPointer(rebasing: buffer[..<min(chunk, range.upperBound - offset)])
        try reader.read(into: part, at: offset)
        add(UnsafeRawBufferPointer(part))
      }
    }
  }
}
