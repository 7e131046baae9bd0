/// Something of a hub that a request names, and what it names it for.
package struct WantedSource: Sendable, Hashable {
  /// As it may be kept: never with a token.
  package let text: String
  package let use: ModelUse

  package init(_ text: String, for use: ModelUse) {
    self.text = text
    self.use = use
  }
}

extension RenderRequest {
  /// What the request names of a hub. Each is written anew as it may be kept, so that no token stays in the request.
  /// Absolute paths and plain names are no sources.
  package mutating func takeSources() -> [WantedSource] {
    var found: [WantedSource] = []
    func read(_ text: String, for use: ModelUse) -> String {
      guard let source = ModelSource.remote(text) else { return text }
      let wanted = WantedSource("\(source)", for: use)
      if !found.contains(wanted) { found.append(wanted) }
      return wanted.text
    }
    model = read(model, for: .model)
    changeFiles { file, text in file.use.map { read(text, for: $0) } ?? text }
    return found
  }
}

extension RequestFile {
  /// What a file is pulled for; nil for pictures, which no hub has.
  package var use: ModelUse? {
    switch self {
    case .lora, .embedding: .adapter
    case .vae: .autoencoder
    case .initImage, .mask: nil
    }
  }
}

extension ModelSource {
  /// The source that a text names, if it has to be pulled; nil for an absolute path, a plain name, and for links that
  /// nothing can be pulled from.
  package static func remote(_ text: String) -> ModelSource? {
    guard !text.hasPrefix("/"), text.contains("/") || text.hasPrefix("urn:"),
      let source = try? ModelSource(text, exists: { _ in false }), source.isRemote
    else { return nil }
    return source
  }
}
