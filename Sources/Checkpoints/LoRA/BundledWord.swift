/// A learned word (textual inversion) inside a LoRA file, in tensors `bundle_emb.<word>.…`. kohya's trainer and
/// OneTrainer write them.
package struct BundledWord: Sendable {
  /// The token that stands for it in a prompt.
  package let token: String
  /// Its tensors, by the rest of their names: `clip_l` and `clip_g`, `emb_params`, or `string_to_param.*`.
  package fileprivate(set) var tensors: [String: StoredTensor]

  private static let prefix = "bundle_emb."
  private static let parts = ["clip_l", "clip_g", "emb_params"]

  /// Whether a tensor's name belongs to a word.
  static func isPart(_ name: String) -> Bool { name.hasPrefix(prefix) && split(name) != nil }

  /// Splits a tensor's name; the word itself may contain dots.
  private static func split(_ name: String) -> (token: String, part: String)? {
    let rest = name.dropFirst(prefix.count)
    if let range = rest.firstRange(of: ".string_to_param.") {
      return range.lowerBound > rest.startIndex ? (String(rest[..<range.lowerBound]), "emb_params") : nil
    }
    guard let dot = rest.lastIndex(of: "."), dot > rest.startIndex else { return nil }
    let part = String(rest[rest.index(after: dot)...])
    return parts.contains(part) ? (String(rest[..<dot]), part) : nil
  }

  /// The words of a file, by token.
  static func all(in file: SafetensorsFile) -> [BundledWord] {
    var words: [String: BundledWord] = [:]
    for name in file.names where isPart(name) {
      guard let (token, part) = split(name), let stored = file[name] else { continue }
      words[token, default: BundledWord(token: token, tensors: [:])].tensors[part] = stored
    }
    return words.values.sorted { $0.token < $1.token }
  }
}
