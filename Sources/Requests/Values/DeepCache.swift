/// How often the deep blocks of the UNet run, and which they are (DeepCache; Ma et al., 2024): `3`, or `3:1` with a
/// branch.
package struct DeepCache: Sendable, Equatable {
  /// Of so many calls of the UNet the first one runs as a whole (the package's `cache_interval`). 1: every call, as
  /// without this setting.
  package var interval: Int
  /// Where the UNet is cut: level · 3 + layer (the package's `cache_branch_id`). With 0 the least is computed in between.
  package var branch: Int

  package init(interval: Int, branch: Int = 0) {
    self.interval = interval
    self.branch = branch
  }
}

extension DeepCache: TextForm {
  package init?(text: String) {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard (1...2).contains(parts.count), let interval = Int(parts[0]) else { return nil }
    guard let branch = parts.count == 2 ? Int(parts[1]) : 0 else { return nil }
    self.init(interval: interval, branch: branch)
  }

  package var text: String { branch == 0 ? "\(interval)" : "\(interval):\(branch)" }

  /// Reads a text, or a number in its place: the interval.
  /// - Throws: `DecodingError`
  package init(from decoder: any Decoder) throws {
    if let interval = try? decoder.singleValueContainer().decode(Int.self) {
      self.init(interval: interval)
    } else {
      try self.init(textFrom: decoder)
    }
  }

  /// Whether there can be such a UNet. Whether it is the model's is checked when the model is loaded.
  var isInRange: Bool { (1...1000).contains(interval) && (0...47).contains(branch) }
  static let rule = "use N or N:B, such as 3 or 3:1, with N from 1 (off) to 1000 and B from 0 to 47"
}
