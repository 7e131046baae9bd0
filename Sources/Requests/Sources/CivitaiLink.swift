/// A model on CivitAI, named by one of the site's links. A token in the link is left out.
package struct CivitaiLink: Sendable, Hashable, CustomStringConvertible {
  /// Chooses among the files of a version: for example `format` is `SafeTensor`.
  package struct Condition: Sendable, Hashable {
    /// One of `CivitaiLink.conditionNames`.
    package let name: String
    /// The value as the site writes it, without percent encoding.
    package let value: String

    /// A condition whose name is known.
    package init(name: String, value: String) {
      self.name = name
      self.value = value
    }
  }

  /// The number of the version; nil means the newest version of `model`.
  package let version: Int?
  /// The model's number, if the link names it.
  package let model: Int?
  /// The conditions in the link's order. If there are none, the primary file is meant.
  package let conditions: [Condition]

  /// The names that the site knows (`type=Model&format=SafeTensor&size=pruned&fp=fp16`).
  static let conditionNames = ["type", "format", "size", "fp", "quantType", "fileId"]

  /// The file's number, if the link names one.
  package var file: Int? { conditions.last { $0.name == "fileId" }.flatMap { Int($0.value) } }

  /// The conditions as the query of a download; nil if there are none.
  package var query: String? {
    conditions.isEmpty
      ? nil
      : conditions.map { "\($0.name)=\(PercentEncoding.segment($0.value))" }.joined(separator: "&")
  }

  /// The link in the site's own form, without any token.
  package var description: String {
    if let version {
      return "https://civitai.com/api/download/models/\(version)" + (query.map { "?\($0)" } ?? "")
    }
    return "https://civitai.com/models/\(model ?? 0)"
  }

  /// Reads a link: a download, a page of a model or of a version, or an AIR (`urn:air:sd1:checkpoint:civitai:1@2`).
  /// - Returns: nil if `text` is not about CivitAI.
  /// - Throws: `SourceError.civitai` for a link to the site that names no model.
  package init?(_ text: String) throws(SourceError) {
    if text.lowercased().hasPrefix("urn:air:") {
      self = try Self.air(text)
      return
    }
    guard let rest = Self.afterHost(text) else { return nil }
    let tail = rest.prefix { $0 != "#" }
    let mark = tail.firstIndex(of: "?")
    let segments = tail[..<(mark ?? tail.endIndex)].split(separator: "/").map(String.init)
    let pairs = try Self.pairs(mark.map { String(tail[tail.index(after: $0)...]) } ?? "", in: text)
    func number(_ text: String?) throws(SourceError) -> Int {
      guard let text, let number = Int(text), number > 0 else {
        throw .civitai(link: Self.withoutToken(text ?? ""), reason: "it names no version")
      }
      return number
    }
    switch (segments.first, segments.count) {
    case ("api", 4...) where segments[1...2] == ["download", "models"]:
      self.init(
        version: try number(segments[3]), model: nil, conditions: try Self.conditions(pairs, in: text))
    case ("models", 2...):
      var version: Int?
      if let pair = pairs.last(where: { $0.name == "modelVersionId" }) { version = try number(pair.value) }
      self.init(version: version, model: try number(segments[1]), conditions: [])
    case ("model-versions", 2...):
      self.init(version: try number(segments[1]), model: nil, conditions: [])
    default:
      throw .civitai(
        link: Self.withoutToken(text), reason: "it is no page of a model, of a version, and no download")
    }
  }

  private init(version: Int?, model: Int?, conditions: [Condition]) {
    self.version = version
    self.model = model
    self.conditions = conditions
  }

  private static func air(_ text: String) throws(SourceError) -> CivitaiLink {
    let parts = text.split(separator: ":", omittingEmptySubsequences: false)
    guard parts.count == 6, parts[4].lowercased() == "civitai" else {
      throw .civitai(link: text, reason: "only AIRs of CivitAI with model and version can be pulled")
    }
    let numbers = parts[5].split(separator: "@", omittingEmptySubsequences: false)
    // A file's ending may follow.
    let version = numbers.count == 2 ? Int(numbers[1].prefix { $0 != "." }) : nil
    guard let model = numbers.first.flatMap({ Int($0) }), numbers.count == 1 || version != nil else {
      throw .civitai(link: text, reason: "it ends in no MODEL@VERSION")
    }
    return CivitaiLink(version: version, model: model, conditions: [])
  }

  /// The token in a link, if it has one. It must not be written to a recipe, row or file.
  package static func token(in text: String) -> String? {
    guard let rest = afterHost(text), let mark = rest.firstIndex(of: "?") else { return nil }
    let pairs = rest[rest.index(after: mark)...].prefix { $0 != "#" }.split(separator: "&")
    guard let pair = pairs.last(where: { $0.hasPrefix("token=") }) else { return nil }
    return PercentEncoding.decoded(pair.dropFirst(6))
  }

  /// The text with the value of every `token=` left out, for messages.
  static func withoutToken(_ text: String) -> String {
    text.replacing(#/(?i)([?&])token=[^&#\s]*/#) { "\($0.output.1)token=…" }
  }

  private static let hosts = ["civitai.com", "www.civitai.com", "civitai.green", "civitai.red"]

  /// What follows the host of a link to one of the site's hosts.
  private static func afterHost(_ text: String) -> Substring? {
    guard let scheme = text.firstRange(of: "://"), text[..<scheme.lowerBound].lowercased() == "https" else {
      return nil
    }
    let rest = text[scheme.upperBound...]
    let host = rest.prefix { $0 != "/" && $0 != "?" && $0 != "#" }
    return hosts.contains(host.lowercased()) ? rest[host.endIndex...] : nil
  }

  private static func pairs(_ query: String, in text: String) throws(SourceError) -> [Condition] {
    var pairs: [Condition] = []
    for pair in query.split(separator: "&") {
      let sides = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      let value = PercentEncoding.decoded((sides.count == 2 ? sides[1] : "").replacing("+", with: "%20"))
      guard let value else { throw .civitai(link: withoutToken(text), reason: "its query cannot be decoded") }
      pairs.append(Condition(name: String(sides[0]), value: value))
    }
    return pairs
  }

  private static func conditions(
    _ pairs: [Condition], in text: String
  ) throws(SourceError) -> [Condition] {
    let kept = pairs.filter { $0.name != "token" && !$0.name.hasPrefix("utm_") }
    if let odd = kept.first(where: { !conditionNames.contains($0.name) }) {
      throw .civitai(
        link: withoutToken(text),
        reason: "'\(odd.name)' is none of \(conditionNames.joined(separator: ", "))")
    }
    return kept
  }
}
