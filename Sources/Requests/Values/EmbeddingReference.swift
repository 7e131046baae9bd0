/// A learned word (textual inversion): `FILE` or `FILE:TOKEN`.
package struct EmbeddingReference: Sendable, Equatable {
  /// Path of a safetensors file, or of a folder with one.
  package var path: String
  /// The token that stands for it in a prompt. nil: the token in the file.
  package var token: String?

  package init(path: String, token: String? = nil) {
    self.path = path
    self.token = token
  }

  /// Reads `FILE` or `FILE:TOKEN`. If what follows the last colon has a slash, it belongs to the file's name.
  package init(text: String) {
    if let colon = text.lastIndex(of: ":"), colon != text.startIndex {
      let token = text[text.index(after: colon)...]
      if !token.isEmpty, !token.contains("/") {
        self.init(path: String(text[..<colon]), token: String(token))
        return
      }
    }
    self.init(path: text)
  }
}

extension EmbeddingReference: ListedForm {
  package static let kind = "a list of \"file:token\" or {\"path\": …, \"token\": …}"

  package static var keys: [String] { CodingKeys.allCases.map(\.rawValue) }

  enum CodingKeys: String, CodingKey, CaseIterable { case path, token }

  /// Reads `{"path": …, "token": …}`. The default token is the one in the file.
  package init(object decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      path: try values.decode(String.self, forKey: .path),
      token: try values.decodeIfPresent(String.self, forKey: .token))
  }

  /// - Throws: `EncodingError`
  package func encode(to encoder: any Encoder) throws {
    var values = encoder.container(keyedBy: CodingKeys.self)
    try values.encode(path, forKey: .path)
    try values.encodeIfPresent(token, forKey: .token)
  }
}
