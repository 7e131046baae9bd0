import Boundary
import Checkpoints
import Foundation
import Synchronization
import TestSupport

/// A hub, its storage and a CivitAI on loopback, as small as they can be. Each has an address of its own, so that a
/// redirect from one to another changes the host.
final class TestHub: Sendable {
  /// What goes wrong, for requests that `matches` is true of.
  struct Fault: Sendable {
    var times = 1
    let matches: @Sendable (SeenRequest) -> Bool
    let change: @Sendable (inout CannedAnswer) -> Void
  }

  struct Repository: Sendable {
    var commit: String
    var files: [String: [UInt8]]
    var isGated = false
    var isPrivate = false
    var commits = 1
  }

  struct State: Sendable {
    var repositories: [String: Repository] = [:]
    var faults: [Fault] = []
    var requests: [SeenRequest] = []
    var objects: [String: [UInt8]] = [:]
    var pageSize = 1000
    var models: [Int: CivitaiVersion] = [:]
    var multipart: Int?
    var parts: [String: [Int: [UInt8]]] = [:]
  }

  private let servers = Mutex<[TestServer]>([])
  let state = Mutex(State())
  let endpoint: String
  let storage: String
  let civitai: String
  let civitaiStorage: String

  static let token = "hf_test_secret"

  init() throws {
    let shared = Box()
    func server(_ name: String, _ host: String) throws -> TestServer {
      try TestServer(name, host: host) { request in shared.hub?.answer(request) ?? CannedAnswer(status: 500) }
    }
    let started = try [
      server("hub", "127.0.0.1"), server("storage", "127.0.0.2"), server("civitai", "127.0.0.4"),
      server("civitai-storage", "127.0.0.5"),
    ]
    (endpoint, storage) = (started[0].address, started[1].address)
    (civitai, civitaiStorage) = (started[2].address, started[3].address)
    servers.withLock { $0 = started }
    shared.set(self)
  }

  private final class Box: Sendable {
    private struct Weak: Sendable { weak var hub: TestHub? }
    private let value = Mutex(Weak())
    var hub: TestHub? { value.withLock(\.hub) }
    func set(_ hub: TestHub) { value.withLock { $0.hub = hub } }
  }

  deinit { servers.withLock { $0 }.forEach { $0.stop() } }

  // MARK: Setting up

  /// Makes a repository, or a new commit of it.
  @discardableResult
  func publish(_ id: String, _ files: [String: [UInt8]], isGated: Bool = false, isPrivate: Bool = false)
    -> String
  {
    let commit = Self.hash(Array("\(id) \(UInt64.random(in: 0 ... .max))".utf8), .sha1)
    state.withLock { state in
      state.repositories[id] = Repository(
        commit: commit, files: files, isGated: isGated, isPrivate: isPrivate)
      for bytes in files.values { state.objects[Self.hash(bytes)] = bytes }
    }
    return commit
  }

  func plant(
    _ times: Int = 1, on matches: @escaping @Sendable (SeenRequest) -> Bool,
    _ change: @escaping @Sendable (inout CannedAnswer) -> Void
  ) {
    state.withLock { $0.faults.append(Fault(times: times, matches: matches, change: change)) }
  }

  var requests: [SeenRequest] { state.withLock(\.requests) }

  func forgetRequests() { state.withLock { $0.requests = [] } }

  static func hash(_ bytes: [UInt8], _ algorithm: Digest.Algorithm = .sha256) -> String {
    var digest = Digest(algorithm)
    digest.add(bytes)
    return digest.hexadecimal()
  }

  static func gitHash(_ bytes: [UInt8]) -> String { hash(Array("blob \(bytes.count)\0".utf8) + bytes, .sha1) }

  /// Files that the hub keeps as large ones.
  static func isLarge(_ path: String) -> Bool { path.hasSuffix(".safetensors") || path.hasSuffix(".bin") }

  // MARK: Answering

  private func answer(_ request: SeenRequest) -> CannedAnswer {
    let fault = state.withLock { state -> Fault? in
      state.requests.append(request)
      // The first one planted that is left.
      guard let index = state.faults.firstIndex(where: { $0.times > 0 && $0.matches(request) }) else {
        return nil
      }
      state.faults[index].times -= 1
      return state.faults[index]
    }
    var answer =
      switch request.server {
      case "hub": hubAnswer(request)
      case "storage": storageAnswer(request)
      case "civitai": civitaiAnswer(request)
      default: civitaiStorageAnswer(request)
      }
    fault?.change(&answer)
    return answer
  }

  /// A whole file, or the range that was asked for.
  static func file(_ bytes: [UInt8], _ request: SeenRequest, _ headers: [String: String] = [:])
    -> CannedAnswer
  {
    guard let range = request.headers["range"], let start = Int(range.dropFirst(6).prefix { $0 != "-" })
    else {
      return CannedAnswer(headers: headers, body: bytes)
    }
    guard start < bytes.count else {
      return CannedAnswer(status: 416, headers: ["Content-Range": "bytes */\(bytes.count)"])
    }
    let partial = headers.merging(["Content-Range": "bytes \(start)-\(bytes.count - 1)/\(bytes.count)"]) {
      $1
    }
    return CannedAnswer(status: 206, headers: partial, body: Array(bytes[start...]))
  }

  /// Signed addresses: storage wants no token, and no other method.
  private func storageAnswer(_ request: SeenRequest) -> CannedAnswer {
    if request.hasToken {
      return CannedAnswer(status: 400, body: Array("Only one auth mechanism allowed".utf8))
    }
    if request.method == "PUT" { return upload(request) }
    guard request.method == "GET", request.target.contains("signature=good") else {
      return CannedAnswer(status: 403)
    }
    let name = String(request.path.dropFirst())
    guard let bytes = state.withLock({ $0.objects[name] }) else { return CannedAnswer(status: 404) }
    return Self.file(bytes, request, ["ETag": "\"something-7\""])
  }
}
