import Boundary
import Checkpoints
import HTTP
import Requests

/// The hub's interface for reading: commits and their files.
package struct HubClient: Sendable {
  let site: Site
  let endpoint: WebAddress

  /// A client of the hub at `endpoint`.
  package init(site: Site, endpoint: WebAddress) {
    self.site = site
    self.endpoint = endpoint
  }

  /// The commit of a branch, tag or `refs/pr/1`; nil for the main branch.
  /// - Throws: `HubError`
  package func commit(of id: RepositoryID, revision: String?) throws(HubError) -> String {
    let tail = revision.map { "/revision/\(PercentEncoding.segment($0))" } ?? ""
    let reply = try ask("/api/models/\(id)\(tail)", of: id, revision: revision)
    let info = try AnswerObject(reply)
    if info.isTrue("disabled") { throw .disabled(id) }
    guard let commit = info.text("sha"), Digest.isHexadecimal(commit, 40) else { throw info.lacks("sha") }
    return commit
  }

  private static let mostPages = 1000

  /// All files at a commit, sorted by path.
  /// - Throws: `HubError`
  package func files(of id: RepositoryID, at commit: String) throws(HubError) -> [RemoteFile] {
    var files: [RemoteFile] = []
    var next: WebAddress? = try address("/api/models/\(id)/tree/\(commit)?recursive=true&expand=false")
    for _ in 0..<Self.mostPages {
      guard let page = next else { break }
      let reply = try site.ask(HTTPRequest(.get, page, patience: patience))
      try check(reply, of: id, revision: commit)
      guard case .array(let entries) = try reply.json() else {
        throw .strangeAnswer(host: page.host, reason: "its list of files is none")
      }
      for entry in AnswerObject.objects(entries, host: page.host) where entry.text("type") == "file" {
        files.append(try file(entry))
      }
      next = try Self.nextPage(reply.head, after: page)
    }
    return files.sorted { $0.path < $1.path }
  }

  private func file(_ entry: AnswerObject) throws(HubError) -> RemoteFile {
    guard let path = entry.text("path"), let size = entry.whole("size"), let oid = entry.text("oid") else {
      throw entry.lacks("path, size and oid")
    }
    let large = entry.object("lfs")
    guard
      let file = RemoteFile(
        path: path, size: large?.whole("size") ?? size, gitName: oid, sha256: large?.text("oid"))
    else { throw .strangeAnswer(host: endpoint.host, reason: "a file's hash is none") }
    return file
  }

  /// The address of the next page, from a `Link` header: `<https://…>; rel="next"`.
  static func nextPage(_ head: HTTPHead, after page: WebAddress) throws(HubError) -> WebAddress? {
    guard let link = head["link"] else { return nil }
    for part in link.split(separator: ",") where part.contains("rel=\"next\"") {
      guard let start = part.firstIndex(of: "<"), let end = part.firstIndex(of: ">"), start < end,
        let next = page.following(String(part[part.index(after: start)..<end]))
      else { throw .strangeAnswer(host: page.host, reason: "its list of files goes on nowhere") }
      return next
    }
    return nil
  }

  /// The address of a file's content. The hub redirects from there.
  func address(of path: String, in id: RepositoryID, at commit: String) throws(HubError) -> WebAddress {
    try address("/\(id)/resolve/\(commit)/\(PercentEncoding.path(path))")
  }

  /// An address below the hub's own.
  func address(_ path: String) throws(HubError) -> WebAddress { try endpoint.adding(path) }

  var patience: HTTPRequest.Patience {
    HTTPRequest.Patience(connecting: 10, silence: site.patience, total: nil)
  }

  /// - Throws: `HubError`
  func ask(_ path: String, of id: RepositoryID, revision: String?) throws(HubError) -> Site.Reply {
    let reply = try site.ask(HTTPRequest(.get, try address(path), patience: patience))
    try check(reply, of: id, revision: revision)
    return reply
  }

  /// Checks that an answer is a success.
  /// - Throws: `HubError` if it is not.
  func check(_ reply: Site.Reply, of id: RepositoryID, revision: String?, path: String? = nil)
    throws(HubError)
  {
    guard !(200..<300).contains(reply.status) else { return }
    throw error(reply, of: id, revision: revision, path: path)
  }

  /// The error for a refusal by the hub.
  func error(_ reply: Site.Reply, of id: RepositoryID, revision: String?, path: String? = nil) -> HubError {
    let words = site.words(of: reply)
    let token = site.trust.token
    switch (reply.status, reply.head["x-error-code"]) {
    case (_, "GatedRepo"):
      return .gated(id, page: "\(endpoint)\(endpoint.path == "/" ? "" : "/")\(id)", hasToken: token != nil)
    case (401, _) where words.contains("Invalid credentials"),
      (403, _) where words.contains("Invalid credentials"):
      return .badToken(origin: token?.origin ?? "nobody")
    case (_, "RevisionNotFound"): return .noRevision(id, revision: revision ?? "main")
    case (_, "EntryNotFound"): return .noFile(id, path: path ?? "", near: [])
    case (_, "RepoNotFound"), (401, nil), (404, nil): return .noRepository(id, token: token?.origin)
    case (403, _) where words.contains("disabled"): return .disabled(id)
    case (401, _), (403, _), (451, _), (423, _): return .forbidden(what: "\(id)", reason: words)
    default:
      if reply.head.isWebPage { return .webPage(host: reply.address.host) }
      return .strangeAnswer(host: reply.address.host, reason: words)
    }
  }
}
