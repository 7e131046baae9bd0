/// What may be fetched for the queue's jobs, as the configuration says.
package struct SourceLimits: Sendable, Equatable {
  /// A site that sources come from.
  package enum Host: String, Sendable, CaseIterable {
    case huggingFace = "huggingface.co"
    case civitai = "civitai.com"
  }

  /// Owners of repositories, in lower case; nil: any. Files of CivitAI have none.
  package var owners: Set<String>?
  /// The sites.
  package var hosts = Set(Host.allCases)
  /// Bytes of all files of one source.
  package var largest = 100 << 30

  /// Any owner, both sites, at most 100 GiB.
  package init() {}

  /// Refuses what may not be fetched.
  /// - Throws: `SourceRefusal`
  package func check(_ source: ModelSource) throws(SourceRefusal) {
    switch source {
    case .path: return
    case .card(let id, _), .file(let id, _, _):
      try check(.huggingFace, "\(source)")
      guard owners?.contains(id.owner.lowercased()) ?? true else {
        throw .owner(source: "\(source)", owner: id.owner)
      }
    case .civitai:
      try check(.civitai, "\(source)")
    }
  }

  private func check(_ host: Host, _ source: String) throws(SourceRefusal) {
    guard hosts.contains(host) else { throw .host(source: source, host: host) }
  }
}

/// A source that the configuration does not allow.
package enum SourceRefusal: Error, Sendable, Equatable, CustomStringConvertible {
  /// Not one of `fetch.owners`.
  case owner(source: String, owner: String)
  /// Not one of `fetch.hosts`.
  case host(source: String, host: SourceLimits.Host)

  package var description: String {
    switch self {
    case .owner(let source, let owner):
      "\(source): models of \(owner) are not fetched here (fetch.owners in the daemon's configuration)"
    case .host(let source, let host):
      "\(source): nothing is fetched from \(host.rawValue) here (fetch.hosts in the daemon's configuration)"
    }
  }
}
