/// Where a model, a LoRA or a VAE comes from, as a person writes it: a path, a repository of a hub, or a link.
package enum ModelSource: Sendable, Hashable, CustomStringConvertible {
  /// A file or folder on this machine. It may not exist.
  case path(String)
  /// A repository of a hub at a branch, tag or commit. nil means the main branch.
  case card(RepositoryID, revision: String?)
  /// One file of a repository.
  case file(RepositoryID, revision: String?, path: String)
  /// A file of CivitAI.
  case civitai(CivitaiLink)

  /// Reads a source. If `exists` returns true, it is a path, whatever it looks like.
  /// - Throws: `SourceError` for a link to nothing that can be pulled, and for a repository name that no hub allows.
  package init(_ text: String, exists: (String) -> Bool) throws(SourceError) {
    if exists(text) {
      self = .path(text)
      return
    }
    // Recipes may have spaces after names.
    let written = String(text.trimming(while: \.isWhitespace))
    if let link = try CivitaiLink(written) {
      self = .civitai(link)
    } else if let rest = Self.afterHub(written) {
      self = try Self.hub(rest, in: written)
    } else if written.contains("://") {
      throw .otherHost(link: CivitaiLink.withoutToken(written))
    } else {
      self = try Self.plain(written) ?? .path(text)
    }
  }

  /// Whether it has to be fetched.
  package var isRemote: Bool {
    if case .path = self { false } else { true }
  }

  /// The source in a form that can be read again. It never has a token.
  package var description: String {
    switch self {
    case .path(let path): path
    case .card(let id, let revision): "\(id)" + (revision.map { "@\($0)" } ?? "")
    case .file(let id, let revision, let path):
      "https://huggingface.co/\(id)/blob/\(PercentEncoding.segment(revision ?? "main"))/\(PercentEncoding.path(path))"
    case .civitai(let link): "\(link)"
    }
  }

  private static let hubs = [
    "hf://", "https://huggingface.co/", "https://www.huggingface.co/", "https://hf.co/", "huggingface.co/",
    "hf.co/",
  ]

  private static func afterHub(_ text: String) -> Substring? {
    let lower = text.lowercased()
    guard let hub = hubs.first(where: { lower.hasPrefix($0) }) else { return nil }
    return text.dropFirst(hub.count)
  }

  /// Reads `owner/name[@revision]`, `…/tree/REV` or `…/blob/REV/path`. What follows a `?` or `#` is left out.
  private static func hub(_ rest: Substring, in text: String) throws(SourceError) -> ModelSource {
    let path = rest.prefix { $0 != "?" && $0 != "#" }
    var segments: [String] = []
    for raw in path.split(separator: "/") {
      guard let segment = PercentEncoding.decoded(raw) else {
        throw .hubLink(link: text, reason: "its path cannot be decoded")
      }
      segments.append(segment)
    }
    if let first = segments.first, ["datasets", "spaces", "collections", "papers"].contains(first) {
      throw .hubLink(link: text, reason: "that is a page of \(first), no model")
    }
    if segments.first == "models", segments.count > 2 { segments.removeFirst() }
    guard segments.count >= 2 else {
      throw .hubLink(link: text, reason: "a model is owner/name")
    }
    let (card, revision) = try idAndRevision("\(segments[0])/\(segments[1])", in: text)
    let tail = Array(segments[2...])
    switch (tail.first, tail.count) {
    case (nil, _): return .card(card, revision: revision)
    case ("tree", 2): return .card(card, revision: tail[1])
    case ("blob", 3...), ("resolve", 3...):
      return .file(card, revision: tail[1], path: tail[2...].joined(separator: "/"))
    case ("raw", _):
      throw .hubLink(link: text, reason: "of a large file, raw is only a pointer; write blob in place of it")
    case ("tree", _): throw .hubLink(link: text, reason: "a folder of a repository is no model by itself")
    default:
      guard text.lowercased().hasPrefix("hf://") else {
        throw .hubLink(link: text, reason: "that page is no model; copy the link of the card or of a file")
      }
      return .file(card, revision: revision, path: tail.joined(separator: "/"))
    }
  }

  /// Reads `owner/name[@revision]` or `owner/name/file.safetensors`; nil for anything else.
  private static func plain(_ text: String) throws(SourceError) -> ModelSource? {
    guard let first = text.first, !"./~@".contains(first) else { return nil }
    let at = text.firstIndex(of: "@")
    let name = text[..<(at ?? text.endIndex)]
    let parts = name.split(separator: "/", omittingEmptySubsequences: false)
    if parts.count == 2, !isFileName(parts[1]) {
      let (card, revision) = try idAndRevision(text, in: text)
      return .card(card, revision: revision)
    }
    // More parts make it a path, unless it ends like a file of a repository.
    if parts.count > 2, at == nil, text.hasSuffix(".safetensors"), !parts.contains(where: \.isEmpty),
      let card = RepositoryID(owner: parts[0], name: parts[1])
    {
      return .file(card, revision: nil, path: parts[2...].joined(separator: "/"))
    }
    return nil
  }

  private static func idAndRevision(
    _ text: String, in whole: String
  ) throws(SourceError) -> (RepositoryID, String?) {
    let at = text.firstIndex(of: "@")
    let revision = at.map { String(text[text.index(after: $0)...]) }
    guard let card = RepositoryID(text[..<(at ?? text.endIndex)]), revision.map(isRevision) ?? true else {
      throw .repositoryName(text: whole)
    }
    return (card, revision)
  }

  /// Whether it can be a branch, tag, commit or `refs/pr/1`. It becomes part of a path in the cache.
  private static func isRevision(_ text: String) -> Bool {
    !text.isEmpty && text.utf8.count <= 255 && !text.contains("..")
      && text.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f && !#"\?*[~^:"#.utf8.contains($0) }
      && text.split(separator: "/", omittingEmptySubsequences: false).allSatisfy {
        !$0.isEmpty && !$0.hasPrefix(".")
      }
  }

  private static func isFileName(_ text: Substring) -> Bool {
    [".safetensors", ".ckpt", ".gguf", ".yaml", ".yml", ".png", ".bin", ".pt"].contains { text.hasSuffix($0) }
  }
}

extension ModelSource {
  /// A name for a path that does not show the folders of this machine: the repository of a snapshot in Hugging Face's
  /// cache, the link of a file in our own cache, or the last part of the path. A card or a link stays as it is.
  package static func name(ofPath path: String) -> String {
    if let match = path.firstMatch(of: #/models--([\w.-]+?)--([\w.-]+)\/snapshots\/([0-9a-f]{40})(\/.+)?$/#),
      let id = RepositoryID(owner: match.output.1, name: match.output.2)
    {
      let commit = String(match.output.3)
      guard let file = match.output.4 else { return "\(ModelSource.card(id, revision: commit))" }
      return "\(ModelSource.file(id, revision: commit, path: String(file.dropFirst())))"
    }
    if let match = path.firstMatch(of: #/\/civitai\/(\d+)\/(\d+)\/[0-9a-f]{64}\.safetensors$/#) {
      // A version may have several files; those that the site does not list have no number.
      let file = match.output.2 == "0" ? "" : "?fileId=\(match.output.2)"
      return "https://civitai.com/api/download/models/\(match.output.1)\(file)"
    }
    if let source = remote(path) { return "\(source)" }
    return path.split(separator: "/").last.map(String.init) ?? path
  }
}

/// What a source is used for. It decides which files are fetched.
package enum ModelUse: String, Sendable, Equatable {
  /// For rendering.
  case model
  /// For merging. Half precision is preferred, as the reference loads it.
  case ingredient
  /// A LoRA.
  case adapter
  /// A VAE that replaces a model's own.
  case autoencoder
}
