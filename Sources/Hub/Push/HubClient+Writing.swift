import Checkpoints
import Foundation
import HTTP
import Requests

/// The hub's interface for writing (`hf_api.py`, `_commit_api.py` and `lfs.py` of `huggingface_hub`).
extension HubClient {
  /// A request with JSON.
  func request(
    _ method: HTTPRequest.Method, _ path: String, _ json: JSONValue, type: String = "application/json",
    silence: Int = 60
  ) throws(HubError) -> HTTPRequest {
    HTTPRequest(
      method, try address(path), headers: [HTTPHeader("Content-Type", type)],
      body: .bytes(Array(json.text.utf8)),
      patience: .init(connecting: 10, silence: silence))
  }

  /// Checks that the token may write at all.
  /// - Throws: `HubError`
  func checkWriter() throws(HubError) {
    guard let token = site.trust.token else {
      throw .forbidden(
        what: "push", reason: "a token that may write is needed (HF_TOKEN, or `hf auth login`)")
    }
    let reply = try site.ask(HTTPRequest(.get, try address("/api/whoami-v2"), patience: patience))
    if reply.status == 401 { throw .badToken(origin: token.origin) }
    guard reply.status == 200 else {
      throw .strangeAnswer(host: endpoint.host, reason: site.words(of: reply))
    }
    if try AnswerObject(reply).object("auth")?.object("accessToken")?.text("role") == "read" {
      throw .forbidden(
        what: "push", reason: "the token of \(token.origin) may only read: make one that may write")
    }
  }

  /// Makes a repository if it does not exist.
  /// - Throws: `HubError`
  func create(_ id: RepositoryID, isPrivate: Bool) throws(HubError) {
    var members: [String: JSONValue] = [
      "name": .string(id.name), "organization": .string(id.owner), "type": .string("model"),
    ]
    if isPrivate {
      members["private"] = .bool(true)
      members["visibility"] = .string("private")
    }
    let reply = try site.ask(try request(.post, "/api/repos/create", .object(members)))
    if (200..<300).contains(reply.status) { return }
    // A token may be allowed to write into a repository but not to make one.
    let there = try site.ask(HTTPRequest(.get, try address("/api/models/\(id)"), patience: patience))
    guard there.status == 200 else { throw error(reply, of: id, revision: nil) }
    if isPrivate, try !AnswerObject(there).isTrue("private") {
      site.say("\(id) is there already, and public; it stays so")
    }
  }

  /// Makes a branch if it does not exist.
  /// - Throws: `HubError`
  func createBranch(_ branch: String, of id: RepositoryID) throws(HubError) {
    let path = "/api/models/\(id)/branch/\(PercentEncoding.segment(branch))"
    let reply = try site.ask(try request(.post, path, .object([:])))
    guard reply.status == 409 || (200..<300).contains(reply.status) else {
      throw error(reply, of: id, revision: branch)
    }
  }

  /// Asks the hub to check a model card's front matter.
  /// - Throws: `HubError.forbidden` with what is wrong.
  func checkCard(_ text: String, of id: RepositoryID) throws(HubError) {
    let body = JSONValue.object(["content": .string(text), "repoType": .string("model")])
    let reply = try site.ask(try request(.post, "/api/validate-yaml", body))
    guard reply.status == 400 else { return }
    let words = try AnswerObject(reply).objects("errors").first?.text("message")
    throw .forbidden(what: "README.md", reason: words.map(site.shown) ?? site.words(of: reply))
  }

  /// The way in which the hub wants to get a file.
  struct Offer: Sendable {
    let isLarge: Bool
    let isIgnored: Bool
    /// The hash of the branch's file with that name.
    let hash: String?
  }

  private static let mostFiles = 256

  /// Asks how each file is to be sent.
  /// - Returns: the offers by path.
  /// - Throws: `HubError`
  func offers(_ files: [LocalFile], to id: RepositoryID, revision: String, isRequest: Bool) throws -> [String:
    Offer]
  {
    var offers: [String: Offer] = [:]
    for start in stride(from: 0, to: files.count, by: Self.mostFiles) {
      let entries = try files[start..<min(files.count, start + Self.mostFiles)].map { file in
        JSONValue.object([
          "path": .string(file.path), "size": .integer(file.size),
          "sample": .string(Data(try file.bytes(upTo: 512)).base64EncodedString()),
        ])
      }
      let path =
        "/api/models/\(id)/preupload/\(PercentEncoding.segment(revision))" + (isRequest ? "?create_pr=1" : "")
      let reply = try site.ask(try request(.post, path, .object(["files": .array(entries)])))
      try check(reply, of: id, revision: revision)
      for entry in try AnswerObject(reply).objects("files") {
        guard let path = entry.text("path") else { throw entry.lacks("path") }
        offers[path] = Offer(
          isLarge: entry.text("uploadMode") == "lfs", isIgnored: entry.isTrue("shouldIgnore"),
          hash: entry.text("oid"))
      }
    }
    return offers
  }

  /// Opens a pull request for a commit.
  /// - Returns: the pull request's number.
  /// - Throws: `HubError`
  func openRequest(_ title: String, of id: RepositoryID) throws(HubError) -> Int {
    let body = JSONValue.object([
      "title": .string(title), "description": .string(""), "pullRequest": .bool(true),
    ])
    let reply = try site.ask(try request(.post, "/api/models/\(id)/discussions", body))
    try check(reply, of: id, revision: nil)
    let answer = try AnswerObject(reply)
    guard let number = answer.whole("num") else { throw answer.lacks("num") }
    return number
  }

  /// The hashes of some files at a commit, by path.
  /// - Throws: `HubError`
  func hashes(of paths: [String], in id: RepositoryID, at revision: String) throws(HubError) -> [String:
    String]
  {
    let body = JSONValue.object(["paths": .array(paths.map { .string($0) })])
    let path = "/api/models/\(id)/paths-info/\(PercentEncoding.segment(revision))"
    let reply = try site.ask(try request(.post, path, body))
    try check(reply, of: id, revision: revision)
    guard case .array(let entries) = try reply.json() else {
      throw .strangeAnswer(host: endpoint.host, reason: "its list of files is none")
    }
    var hashes: [String: String] = [:]
    for entry in AnswerObject.objects(entries, host: endpoint.host) {
      guard let path = entry.text("path") else { continue }
      hashes[path] = entry.object("lfs")?.text("oid") ?? entry.text("oid")
    }
    return hashes
  }
}
