import Foundation
import TestSupport

/// The hub's answers to readers.
extension TestHub {
  static let refusedToken = CannedAnswer.json(
    #"{"error":"Invalid credentials in Authorization header"}"#, status: 401,
    ["X-Error-Message": "Invalid credentials in Authorization header"])

  func hubAnswer(_ request: SeenRequest) -> CannedAnswer {
    if request.hasToken, request.headers["authorization"] != "Bearer \(Self.token)" {
      return Self.refusedToken
    }
    let segments = request.path.split(separator: "/").map { $0.removingPercentEncoding ?? "" }
    if request.method != "GET" { return writingAnswer(request, segments) }
    if segments == ["api", "whoami-v2"] { return whoAmI(request) }
    let isAPI = segments.starts(with: ["api", "models"])
    let rest = Array(segments.dropFirst(isAPI ? 2 : 0))
    guard rest.count >= 2 else { return CannedAnswer(status: 404) }
    let id = rest[0...1].joined(separator: "/")
    guard let repository = state.withLock({ $0.repositories[id] }), !repository.isPrivate || request.hasToken
    else {
      return .json(
        #"{"error":"Repository not found"}"#, status: request.hasToken ? 404 : 401,
        ["X-Error-Code": "RepoNotFound"])
    }
    switch (isAPI, rest.dropFirst(2).first) {
    case (true, nil): return info(repository, revision: "main")
    case (true, "revision"): return info(repository, revision: rest[3])
    case (true, "tree"): return tree(repository, request)
    case (false, "resolve"): return resolve(repository, id, path: rest[4...].joined(separator: "/"), request)
    default: return CannedAnswer(status: 404)
    }
  }

  private func info(_ repository: Repository, revision: String) -> CannedAnswer {
    guard revision == "main" || revision == repository.commit else {
      return .json(#"{"error":"no"}"#, status: 404, ["X-Error-Code": "RevisionNotFound"])
    }
    return .json(#"{"sha":"\#(repository.commit)","gated":false,"disabled":false,"private":false}"#)
  }

  private func tree(_ repository: Repository, _ request: SeenRequest) -> CannedAnswer {
    let size = state.withLock(\.pageSize)
    let paths = repository.files.keys.sorted()
    let start =
      request.target.firstRange(of: "cursor=").flatMap { Int(request.target[$0.upperBound...]) } ?? 0
    let page = paths.dropFirst(start).prefix(size)
    let entries = page.map { path in
      let bytes = repository.files[path] ?? []
      let large = Self.isLarge(path) ? #","lfs":{"oid":"\#(Self.hash(bytes))","size":\#(bytes.count)}"# : ""
      return
        #"{"type":"file","path":"\#(path)","size":\#(bytes.count),"oid":"\#(Self.gitHash(bytes))"\#(large)}"#
    }
    var headers: [String: String] = [:]
    if start + size < paths.count {
      let address = "\(endpoint)\(request.path)?recursive=true&cursor=\(start + size)"
      headers["Link"] = "<\(address)>; rel=\"next\""
    }
    return .json("[" + entries.joined(separator: ",") + "]", headers)
  }

  private func resolve(
    _ repository: Repository, _ id: String, path: String, _ request: SeenRequest
  ) -> CannedAnswer {
    if repository.isGated, !request.hasToken {
      return .json(#"{"error":"restricted"}"#, status: 401, ["X-Error-Code": "GatedRepo"])
    }
    guard let bytes = repository.files[path] else {
      return .json(#"{"error":"Entry not found"}"#, status: 404, ["X-Error-Code": "EntryNotFound"])
    }
    guard Self.isLarge(path) else { return Self.file(bytes, request, ["X-Repo-Commit": repository.commit]) }
    return CannedAnswer(
      status: 302,
      headers: [
        "Location": "\(storage)/\(Self.hash(bytes))?signature=good", "X-Repo-Commit": repository.commit,
      ])
  }
}
