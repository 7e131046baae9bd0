import Requests

/// Values of settings that are tried with each other: `--steps 10,25 --guidance 4..9:1` are 2 × 6 requests.
///
/// A list has commas between its values; `1..4` are all whole numbers from 1 to 4, and `4..9:0.5` go in steps.
package enum SettingsGrid {
  /// The settings that may have several values. Others hold commas of their own, or are files.
  package static let axes: Set = [
    "model", "width", "height", "steps", "guidance", "guidance_rescale", "guidance_from", "guidance_until",
    "scheduler", "eta", "deep_cache", "token_merging", "seed", "variation_seed", "variation_strength",
    "precision", "clip_skip", "strength",
  ]

  /// More requests of one prompt are a mistake.
  package static let most = 10_000

  /// A setting's values.
  /// - Parameters:
  ///   - text: as it was typed.
  ///   - name: the name of the setting.
  /// - Returns: the text itself if it is no list, or the setting may have no list.
  /// - Throws: `RequestError.invalid` for a range that has no end.
  package static func values(_ text: String, of name: String) throws -> [String] {
    guard axes.contains(name) else { return [text] }
    let parts = text.split(separator: ",", omittingEmptySubsequences: false)
    guard parts.count > 1 || text.contains("..") else { return [text] }
    return try parts.flatMap { part in
      let part = String(part.drop(while: \.isWhitespace))
      return name == "model" || !part.contains("..") ? [part] : try range(part, of: name)
    }
  }

  private static func range(_ text: String, of name: String) throws -> [String] {
    func wrong(_ rule: String) -> RequestError {
      .invalid(setting: name, value: "'\(text.prefix(40))'", rule: rule)
    }
    guard
      let match = text.wholeMatch(
        of: #/(-?\d+(?:\.\d+)?)\.\.(-?\d+(?:\.\d+)?)(?::(\d+(?:\.\d+)?))?/#),
      let first = Double(match.1), let last = Double(match.2)
    else { throw wrong("write a range as 1..4, or 4..9:0.5 in steps") }
    // Decimals are counted, so that 0.1 and ten times 0.1 are what they look like.
    let places = [match.1, match.2, match.3 ?? "1"].map {
      $0.split(separator: ".").dropFirst().first?.count ?? 0
    }
    guard let most = places.max(), most <= 6 else { throw wrong("write at most six decimals") }
    var scale = 1.0
    for _ in 0..<most { scale *= 10 }
    let step = match.3.flatMap { Double($0) } ?? 1
    let (from, to, by) = ((first * scale).rounded(), (last * scale).rounded(), (step * scale).rounded())
    guard by >= 1 else { throw wrong("a range goes in steps above 0") }
    guard from.magnitude < 1e15, to.magnitude < 1e15, from <= to else {
      throw wrong("a range goes from the smaller number to the larger")
    }
    guard (to - from) / by < Double(Self.most) else { throw wrong("a range has at most \(Self.most) values") }
    return stride(from: from, through: to, by: by).map { number in
      most == 0 ? "\(Int64(number))" : "\(number / scale)"
    }
  }
}

extension [RequestDraft] {
  /// Each of these drafts with each of a setting's values.
  /// - Throws: `RequestError` for a value that is none, and for too many requests.
  package func times(_ name: String, _ text: String) throws -> [RequestDraft] {
    let values = try SettingsGrid.values(text, of: name)
    guard count * values.count <= SettingsGrid.most else {
      throw RequestError.invalid(
        setting: name, value: "'\(text.prefix(40))'",
        rule: "all settings together may give \(SettingsGrid.most) requests of a prompt")
    }
    return try flatMap { draft in
      try values.map { value in
        var draft = draft
        try draft.read(name, value)
        return draft
      }
    }
  }
}
