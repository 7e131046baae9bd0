/// How many tokens are merged before self attention, and in which layers (ToMe; Bolya and Hoffman, 2023): `0.5`, or
/// `0.5:2` with the smallest maps in which they are.
package struct TokenMerging: Sendable, Equatable {
  /// The share of the tokens that is merged into others (tomesd's `ratio`). 0: none, as without this setting.
  package var ratio: Double
  /// Layers whose map is at most so many times smaller along an edge than the latents (tomesd's `max_downsample`).
  package var downsample: Int

  package init(ratio: Double, downsample: Int = 1) {
    self.ratio = ratio
    self.downsample = downsample
  }
}

extension TokenMerging: TextForm {
  package init?(text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let ratio = Double(parts[0]) else { return nil }
    guard let downsample = parts.count == 2 ? Int(parts[1]) : 1 else { return nil }
    self.init(ratio: ratio, downsample: downsample)
  }

  package var text: String { downsample == 1 ? "\(ratio)" : "\(ratio):\(downsample)" }

  /// Reads a text, or a number in its place: the ratio.
  /// - Throws: `DecodingError`
  package init(from decoder: any Decoder) throws {
    if let ratio = try? decoder.singleValueContainer().decode(Double.self) {
      self.init(ratio: ratio)
    } else {
      try self.init(textFrom: decoder)
    }
  }

  /// What `downsample` may be.
  static let downsamples = [1, 2, 4, 8]

  /// One token of four stays in any case.
  var isInRange: Bool { ratio >= 0 && ratio <= 0.75 && Self.downsamples.contains(downsample) }
  static let rule = "use R or R:D, such as 0.5 or 0.5:2, with R from 0 (off) to 0.75 and D one of 1, 2, 4, 8"
}
