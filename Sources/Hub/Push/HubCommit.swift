import Checkpoints
import Foundation
import HTTP
import Requests

/// A file that a commit adds or changes.
struct FileChange: Sendable {
  let file: LocalFile
  let content: RemoteFile.Content
  /// The content of a small file.
  let bytes: [UInt8]

  /// The largest file that the hub takes within a commit.
  static let mostSmallBytes = 100_000_000

  var isLarge: Bool { if case .sha256 = content { true } else { false } }

  var hash: String {
    switch content {
    case .sha256(let digits), .git(let digits): digits
    }
  }

  /// The change as a line of the commit.
  var line: String {
    var value: [String: JSONValue] = ["path": .string(file.path)]
    if isLarge {
      value["algo"] = .string("sha256")
      value["oid"] = .string(hash)
      value["size"] = .integer(file.size)
    } else {
      value["encoding"] = .string("base64")
      value["content"] = .string(Data(bytes).base64EncodedString())
    }
    return JSONValue.object(["key": .string(isLarge ? "lfsFile" : "file"), "value": .object(value)]).text
  }
}

/// Makes exactly one commit, even if the answer to the request is lost.
struct HubCommit {
  let client: HubClient
  let id: RepositoryID
  let revision: String
  /// The commit that the branch is at; nil means to ask.
  let parent: String?
  let message: String

  private static let mostMoves = 2

  /// - Returns: the commit.
  /// - Throws: `HubError`
  func make(_ changes: [FileChange]) throws -> String {
    var head = try parent ?? client.commit(of: id, revision: revision)
    let before = try client.hashes(of: changes.map(\.file.path), in: id, at: head)
    var retries = Retries(client.site.pace, stop: client.site.stop)
    var moves = 0
    while true {
      switch try attempt(changes, parent: head) {
      case .made(let commit): return commit
      case .refused(let error): throw error
      case .unknown(let error):
        // The commit may have been made. Because it names its parent, it cannot be made twice.
        let now = try client.commit(of: id, revision: revision)
        if now != head, try isThere(changes, at: now) { return now }
        guard try retries.waitAgain() else { throw error }
      case .moved:
        let now = try client.commit(of: id, revision: revision)
        if try isThere(changes, at: now) { return now }
        moves += 1
        guard moves <= Self.mostMoves,
          try client.hashes(of: changes.map(\.file.path), in: id, at: now) == before
        else {
          throw HubError.forbidden(what: "\(id)", reason: "somebody else pushed other files of these names")
        }
        head = now
      }
    }
  }

  private enum Outcome {
    case made(String)
    case moved
    case unknown(HubError)
    case refused(HubError)
  }

  private func attempt(_ changes: [FileChange], parent: String) throws -> Outcome {
    let header = JSONValue.object([
      "key": .string("header"),
      "value": .object([
        "summary": .string(message), "description": .string(""), "parentCommit": .string(parent),
      ]),
    ])
    let body = ([header.text] + changes.map(\.line)).joined(separator: "\n") + "\n"
    let path = "/api/models/\(id)/commit/\(PercentEncoding.segment(revision))"
    let request = HTTPRequest(
      .post, try client.address(path), headers: [HTTPHeader("Content-Type", "application/x-ndjson")],
      body: .bytes(Array(body.utf8)), patience: .init(connecting: 10, silence: 180))
    do {
      let reply = try client.site.follow(request)
      switch reply.status {
      case 200..<300:
        let answer = try AnswerObject(reply)
        guard let commit = answer.text("commitOid") else { throw answer.lacks("commitOid") }
        return .made(commit)
      case 412: return .moved
      default:
        if let (error, seconds) = try client.site.passing(reply) {
          if let seconds { try client.site.pace.hold(Double(seconds), stop: client.site.stop) }
          return .unknown(error)
        }
        return .refused(refusal(reply))
      }
    } catch {
      return .unknown(try client.site.passing(error))
    }
  }

  private func refusal(_ reply: Site.Reply) -> HubError {
    let words = client.site.words(of: reply)
    if reply.status == 403, words.contains("create_pr") {
      return .forbidden(
        what: "\(id)", reason: "no right to write here: push with --create-pr to open a pull request")
    }
    if reply.status == 400 { return .forbidden(what: "\(id)", reason: words) }
    return client.error(reply, of: id, revision: revision)
  }

  private func isThere(_ changes: [FileChange], at commit: String) throws -> Bool {
    let hashes = try client.hashes(of: changes.map(\.file.path), in: id, at: commit)
    return changes.allSatisfy { hashes[$0.file.path] == $0.hash }
  }
}
