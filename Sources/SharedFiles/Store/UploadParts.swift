/// How a bucket's objects are cut into parts, within the limits of S3.
package struct UploadParts: Sendable {
  /// Larger objects are sent in parts.
  package var threshold: Int
  /// Bytes of a part, if that makes few enough of them.
  package var usual: Int

  /// S3 takes no more in one piece.
  private static let largest = 5 << 30
  private static let most = 10_000

  /// - Parameters:
  ///   - threshold: bytes; at most 5 GiB, which is what S3 takes in one piece.
  ///   - usual: bytes of a part; S3 takes at least 5 MiB, but for the last one.
  package init(threshold: Int = 5 << 30, usual: Int = 64 << 20) {
    self.threshold = threshold
    self.usual = usual
  }

  /// The largest object in bytes.
  package static var mostBytes: Int { largest * most }

  /// Bytes of each part but the last; nil: an object of so many bytes is too large.
  package func size(of count: Int) -> Int? {
    guard count <= Self.mostBytes else { return nil }
    return max(usual, (count + Self.most - 1) / Self.most)
  }
}
