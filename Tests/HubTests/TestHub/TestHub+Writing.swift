import Foundation
import TestSupport

/// The hub's answers to writers.
extension TestHub {
  func whoAmI(_ request: SeenRequest) -> CannedAnswer {
    request.hasToken
      ? .json(#"{"name":"tester","auth":{"accessToken":{"role":"write"}}}"#) : Self.refusedToken
  }

  private static func object(_ bytes: [UInt8]) -> [String: Any] {
    (try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any]) ?? [:]
  }

  func writingAnswer(_ request: SeenRequest, _ segments: [String]) -> CannedAnswer {
    if segments.first == "complete" { return complete(request) }
    guard request.hasToken else { return Self.refusedToken }
    let body = Self.object(request.body)
    if segments == ["api", "validate-yaml"] { return .json("{}") }
    if segments == ["api", "repos", "create"] { return create(body) }
    if segments.suffix(2) == ["objects", "batch"] { return batch(body) }
    if segments.suffix(2) == ["objects", "verify"] { return .json("{}") }
    guard segments.starts(with: ["api", "models"]), segments.count >= 5 else {
      return CannedAnswer(status: 404)
    }
    let id = segments[2...3].joined(separator: "/")
    switch segments[4] {
    case "preupload": return preupload(id, body)
    case "paths-info": return pathsInfo(id, body)
    case "commit": return commit(id, request.body)
    case "branch": return .json("{}")
    case "discussions": return .json(#"{"num":1}"#)
    default: return CannedAnswer(status: 404)
    }
  }

  private func create(_ body: [String: Any]) -> CannedAnswer {
    let id = "\(body["organization"] ?? "")/\(body["name"] ?? "")"
    if state.withLock({ $0.repositories[id] != nil }) {
      return .json(#"{"error":"You already created it"}"#, status: 409)
    }
    publish(id, [:], isPrivate: body["private"] as? Bool ?? false)
    return .json("{}")
  }

  private func known(_ id: String, _ path: String) -> [UInt8]? {
    state.withLock { $0.repositories[id]?.files[path] }
  }

  static func name(_ path: String, _ bytes: [UInt8]) -> String {
    isLarge(path) ? hash(bytes) : gitHash(bytes)
  }

  private func preupload(_ id: String, _ body: [String: Any]) -> CannedAnswer {
    let files = body["files"] as? [[String: Any]] ?? []
    let entries = files.map { file in
      let path = file["path"] as? String ?? ""
      let oid = known(id, path).map { #","oid":"\#(Self.name(path, $0))""# } ?? ""
      return
        #"{"path":"\#(path)","uploadMode":"\#(Self.isLarge(path) ? "lfs" : "regular")","shouldIgnore":false\#(oid)}"#
    }
    return .json(#"{"files":[\#(entries.joined(separator: ","))]}"#)
  }

  private func pathsInfo(_ id: String, _ body: [String: Any]) -> CannedAnswer {
    let entries = (body["paths"] as? [String] ?? []).compactMap { path in
      known(id, path).map { bytes in
        let large = Self.isLarge(path) ? #","lfs":{"oid":"\#(Self.hash(bytes))"}"# : ""
        return #"{"type":"file","path":"\#(path)","oid":"\#(Self.gitHash(bytes))"\#(large)}"#
      }
    }
    return .json("[" + entries.joined(separator: ",") + "]")
  }

  private func batch(_ body: [String: Any]) -> CannedAnswer {
    let object = (body["objects"] as? [[String: Any]])?.first ?? [:]
    let (oid, size) = (object["oid"] as? String ?? "", object["size"] as? Int ?? 0)
    let (isThere, part) = state.withLock { ($0.objects[oid] != nil, $0.multipart) }
    var actions = ""
    if !isThere {
      let verify = #""verify":{"href":"\#(endpoint)/a/b.git/info/lfs/objects/verify"}"#
      if let part, size > part {
        let parts = (1...(size + part - 1) / part).reversed().map {
          #""0\#($0)":"\#(storage)/\#(oid)?signature=good&part=\#($0)""#
        }
        actions =
          #","actions":{"upload":{"href":"\#(endpoint)/complete?oid=\#(oid)","header":{"chunk_size":"\#(part)",\#(parts.joined(separator: ","))}},\#(verify)}"#
      } else {
        actions = #","actions":{"upload":{"href":"\#(storage)/\#(oid)?signature=good"},\#(verify)}"#
      }
    }
    return .json(#"{"transfer":"basic","objects":[{"oid":"\#(oid)","size":\#(size)\#(actions)}]}"#)
  }

  func upload(_ request: SeenRequest) -> CannedAnswer {
    guard request.headers["transfer-encoding"] == nil, request.headers["content-length"] != nil else {
      return CannedAnswer(status: 501)
    }
    let oid = String(request.path.dropFirst())
    if let mark = request.target.firstRange(of: "part="), let number = Int(request.target[mark.upperBound...])
    {
      state.withLock { $0.parts[oid, default: [:]][number] = request.body }
      return CannedAnswer(headers: ["ETag": "\"part\(number)\""])
    }
    guard Self.hash(request.body) == oid else {
      return CannedAnswer(status: 400, body: Array("BadDigest".utf8))
    }
    state.withLock { $0.objects[oid] = request.body }
    return CannedAnswer(headers: ["ETag": "\"x\""])
  }

  /// The parts of a file become the file; the address is signed, so that no token may come with it.
  private func complete(_ request: SeenRequest) -> CannedAnswer {
    let oid = Self.object(request.body)["oid"] as? String ?? ""
    let parts = Self.object(request.body)["parts"] as? [[String: Any]] ?? []
    let bytes = state.withLock { state in
      parts.flatMap { part in state.parts[oid]?[part["partNumber"] as? Int ?? 0] ?? [] }
    }
    guard !request.hasToken, Self.hash(bytes) == oid, parts.first?["etag"] as? String == "\"part1\"" else {
      return CannedAnswer(status: 400)
    }
    state.withLock { $0.objects[oid] = bytes }
    return .json("{}")
  }

  private func commit(_ id: String, _ body: [UInt8]) -> CannedAnswer {
    let lines = body.split(separator: UInt8(ascii: "\n")).map { Self.object(Array($0)) }
    return state.withLock { state in
      guard var repository = state.repositories[id] else { return CannedAnswer(status: 404) }
      for line in lines {
        let value = line["value"] as? [String: Any] ?? [:]
        let path = value["path"] as? String ?? ""
        switch line["key"] as? String {
        case "header":
          guard value["parentCommit"] as? String == repository.commit else {
            return .json(#"{"error":"The branch was updated"}"#, status: 412)
          }
        case "file":
          repository.files[path] =
            Data(base64Encoded: value["content"] as? String ?? "").map(Array.init) ?? []
        case "lfsFile":
          guard let bytes = state.objects[value["oid"] as? String ?? ""] else {
            return .json(#"{"error":"an LFS pointer pointed to a file that does not exist"}"#, status: 400)
          }
          repository.files[path] = bytes
        default: return CannedAnswer(status: 400)
        }
      }
      repository.commits += 1
      repository.commit = Self.hash(Array("\(repository.commit) \(repository.commits)".utf8), .sha1)
      state.repositories[id] = repository
      return .json(#"{"commitOid":"\#(repository.commit)","commitUrl":"x"}"#)
    }
  }
}
