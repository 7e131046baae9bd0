/// Memory for floats that are needed only while weights are read: rows as they are stored, and in another order.
///
/// All such buffers have one of few sizes, so each gets the pages that the one before it gave back. Buffers of the exact
/// size would come from new pages each time, and the page faults would take longer than the reading.
package enum LentFloats {
  /// Sizes are multiples of this many bytes.
  private static let granule = 2 << 20

  /// Lends memory for `count` floats to `body`. What is in it is undefined.
  /// - Throws: what `body` throws.
  package static func with<Result>(
    _ count: Int, _ body: (UnsafeMutableBufferPointer<Float>) throws -> Result
  ) rethrows -> Result {
    let bytes = max(1, count) * MemoryLayout<Float>.stride
    let block = MemoryBlock(byteCount: (bytes + granule - 1) / granule * granule)
    defer { withExtendedLifetime(block) {} }
    let floats = block.base.bindMemory(to: Float.self, capacity: count)
    return try body(UnsafeMutableBufferPointer(start: floats, count: count))
  }
}
