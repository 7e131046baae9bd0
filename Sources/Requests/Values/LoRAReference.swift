/// A LoRA file and its weight: `FILE` or `FILE:0.8`.
package struct LoRAReference: Sendable, Hashable {
  /// Path of a safetensors file.
  package var path: String
  /// 1 is the strength that it was trained at.
  package var weight: Double

  package init(path: String, weight: Double = 1) {
    self.path = path
    self.weight = weight
  }

  /// Reads `FILE` or `FILE:WEIGHT`. If what follows the last colon is no number, it belongs to the file's name.
  package init(text: String) {
    if let colon = text.lastIndex(of: ":"), let weight = Double(text[text.index(after: colon)...]) {
      self.init(path: String(text[..<colon]), weight: weight)
    } else {
      self.init(path: text)
    }
  }
}

extension LoRAReference: ListedForm {
  package static let kind = "a list of \"file:weight\" or {\"path\": …, \"weight\": …}"

  package static var keys: [String] { CodingKeys.allCases.map(\.rawValue) }

  enum CodingKeys: String, CodingKey, CaseIterable { case path, weight }

  /// Reads `{"path": …, "weight": …}`. The default weight is 1.
  package init(object decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      path: try values.decode(String.self, forKey: .path),
      weight: try values.decodeIfPresent(Double.self, forKey: .weight) ?? 1)
  }

  /// - Throws: `EncodingError`
  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(path, forKey: .path)
    try values.encode(weight, forKey: .weight)
  }
}
