import Foundation
import HTTP
import Hub
import Requests
import TestSupport
import Testing

@Suite(.serialized)
struct PullTests {
  private static let unet = "unet/diffusion_pytorch_model.safetensors"

  /// A request for a large file's bytes, which go through storage.
  @Sendable private static func isWeights(_ request: SeenRequest) -> Bool { request.server == "storage" }

  @Test func aCardComesWholeAndOnce() throws {
    let house = try PullHouse()
    let files = PullHouse.model()
    house.hub.state.withLock { $0.pageSize = 2 }
    let commit = house.hub.publish("a/model", files)
    let pulled = try house.pull("a/model", ["HF_TOKEN": TestHub.token])
    let names = files.keys.filter { !$0.hasSuffix(".bin") && $0 != "README.md" }
    #expect(try house.content(of: pulled.path, names) == files.filter { names.contains($0.key) })
    #expect(pulled.path == "\(house.cache)/models--a--model/snapshots/\(commit)")
    #expect(pulled.revision == commit && !pulled.fromCache)
    #expect(pulled.bytes == names.reduce(0) { $0 + (files[$1]?.count ?? 0) })
    #expect(!FileManager.default.fileExists(atPath: pulled.path + "/README.md"))
    #expect(house.leaks.isEmpty && house.hub.requests.contains { $0.hasToken })
    house.hub.forgetRequests()
    let again = try house.pull("a/model")
    #expect(again.fromCache && again.path == pulled.path)
    #expect(
      house.hub.requests.count == 1, "only the branch is looked up: \(house.hub.requests.map(\.target))")
    house.hub.forgetRequests()
    #expect(try house.pull("a/model@\(commit)").path == pulled.path)
    #expect(try house.pull("a/model", ["HF_HUB_OFFLINE": "1"]).path == pulled.path)
    #expect(house.hub.requests.isEmpty)
  }

  @Test func aDryRunWritesNoWeights() throws {
    let house = try PullHouse()
    house.hub.publish("a/model", PullHouse.model())
    let dry = try house.pull("a/model", isDry: true)
    #expect(!dry.fromCache && dry.bytes > 300_000)
    #expect(!house.hub.requests.contains { $0.server == "storage" })
  }

  /// What may happen on the way.
  enum Break: String, CaseIterable, Sendable {
    case cut, reset, stall, serverError, lost, expired, corrupt, rangeIgnored, otherRange

    func change(_ answer: inout CannedAnswer) {
      switch self {
      case .cut: answer.cutAfter = answer.body.count / 2
      case .reset: (answer.cutAfter, answer.isReset) = (answer.body.count / 2, true)
      case .stall: (answer.cutAfter, answer.stall) = (answer.body.count / 2, Patience.seconds)
      case .serverError: answer = CannedAnswer(status: 503)
      case .lost: answer.isLost = true
      case .expired:
        answer = CannedAnswer(status: 403, body: Array("<Message>Request has expired</Message>".utf8))
      case .corrupt: if !answer.body.isEmpty { answer.body[answer.body.count / 3] ^= 1 }
      case .rangeIgnored, .otherRange: break
      }
    }
  }

  @Test(arguments: Break.allCases)
  func afterABreakTheBytesAreRight(_ kind: Break) throws {
    let house = try PullHouse()
    let files = PullHouse.model()
    house.hub.publish("a/model", files)
    let bytes = try #require(files[Self.unet])
    let name = "/" + TestHub.hash(bytes)
    switch kind {
    case .rangeIgnored, .otherRange:
      house.hub.plant(on: { $0.path == name }) { Break.cut.change(&$0) }
      house.hub.plant(on: { $0.path == name && $0.headers["range"] != nil }) { answer in
        if kind == .rangeIgnored {
          answer = CannedAnswer(body: bytes)
        } else {
          answer.headers["Content-Range"] = "bytes 7-\(bytes.count - 1)/\(bytes.count)"
        }
      }
    default: house.hub.plant(2, on: { $0.path == name }) { kind.change(&$0) }
    }
    if kind == .corrupt {
      let error = #expect(throws: HubError.self) { try house.pull("a/model") }
      guard case .wrongContent(_, let expected, _) = error else {
        return #expect(Bool(false), "\(error as Any)")
      }
      #expect(expected == TestHub.hash(bytes))
      #expect(!house.blobs("a/model").contains { $0.hasPrefix(expected) }, "nothing of it is kept")
    }
    // Of silence alone a pull tires.
    let pulled = try house.pull("a/model", kind == .stall ? ["HF_HUB_DOWNLOAD_TIMEOUT": "5"] : [:])
    #expect(try house.content(of: pulled.path, [Self.unet])[Self.unet] == bytes)
    #expect(!house.blobs("a/model").contains { $0.hasSuffix(".incomplete") })
  }

  @Test func oneCorruptAnswerIsFetchedAgain() throws {
    let house = try PullHouse()
    let files = PullHouse.model()
    house.hub.publish("a/model", files)
    house.hub.plant(on: Self.isWeights) { Break.corrupt.change(&$0) }
    let pulled = try house.pull("a/model")
    #expect(try house.content(of: pulled.path, [Self.unet])[Self.unet] == files[Self.unet])
  }

  @Test func theNextPullGoesOnWhereThisOneStopped() throws {
    let house = try PullHouse()
    let files = PullHouse.model()
    house.hub.publish("a/model", files)
    let bytes = try #require(files[Self.unet])
    let name = "/" + TestHub.hash(bytes)
    // Half of it, and then nothing for good.
    house.hub.plant(on: { $0.path == name }) { Break.cut.change(&$0) }
    house.hub.plant(5, on: { $0.path == name }) { $0 = CannedAnswer(status: 500) }
    let error = #expect(throws: HubError.self) { try house.pull("a/model") }
    #expect(error?.kind == .unavailable)
    #expect(house.blobs("a/model").contains(TestHub.hash(bytes) + ".segmoe.incomplete"))
    house.hub.forgetRequests()
    let pulled = try house.pull("a/model")
    #expect(try house.content(of: pulled.path, [Self.unet])[Self.unet] == bytes)
    let ranges = house.hub.requests.filter { $0.path == name }.map { $0.headers["range"] }
    #expect(ranges == ["bytes=\(bytes.count / 2)-"])
  }

  @Test func aPartThatPythonLeftIsGoneOnWith() throws {
    let house = try PullHouse()
    let files = PullHouse.model()
    house.hub.publish("a/model", files)
    let bytes = try #require(files[Self.unet])
    let blobs = "\(house.cache)/models--a--model/blobs"
    try FileManager.default.createDirectory(atPath: blobs, withIntermediateDirectories: true)
    try Data(bytes.prefix(1000)).write(to: URL(fileURLWithPath: "\(blobs)/\(TestHub.hash(bytes)).incomplete"))
    try house.pull("a/model")
    #expect(house.hub.requests.contains { $0.headers["range"] == "bytes=1000-" })
    #expect(!house.blobs("a/model").contains { $0.hasSuffix(".incomplete") })
  }

  @Test func twoPullsFetchEachFileOnce() throws {
    let house = try PullHouse()
    house.hub.publish("a/model", PullHouse.model())
    try ParallelWork.run([1, 2, 3], width: 3) { _ in try house.pull("a/model") }
    let targets = house.hub.requests.filter { $0.server == "storage" }.map(\.path)
    #expect(targets.count == 2 && Set(targets).count == 2)
  }

  @Test func aRateLimitIsWaitedFor() throws {
    let house = try PullHouse()
    house.hub.publish("a/model", PullHouse.model())
    house.hub.plant(on: { $0.path.contains("/resolve/") }) {
      $0 = CannedAnswer(status: 429, headers: ["RateLimit": "\"resolvers\";r=0;t=0"])
    }
    try house.pull("a/model")
    #expect(house.said.withLock { $0.contains { $0.contains("waiting 1 s") } })
    house.hub.plant(on: { $0.path.hasPrefix("/api") }) {
      $0 = CannedAnswer(status: 429, headers: ["Retry-After": "7200"])
    }
    let error = #expect(throws: HubError.self) {
      try house.puller().pull(.card(#require(RepositoryID("a/other")), revision: nil), for: .model)
    }
    #expect(error == .rateLimited(host: "127.0.0.1", seconds: 7200, hasToken: false))
  }

  /// A model that was taken down is called that, whether the hub says so of the repository or of a file.
  @Test func aModelThatWasTakenDownIsNamed() throws {
    let house = try PullHouse()
    let commit = house.hub.publish("a/gone", PullHouse.model())
    let gone = try HubError.disabled(#require(RepositoryID("a/gone")))
    #expect(gone.kind == .notPermitted)
    house.hub.plant(on: { $0.path.hasPrefix("/api/models/a/gone") }) {
      $0 = .json(#"{"sha":"\#(commit)","gated":false,"disabled":true,"private":false}"#)
    }
    #expect(throws: gone) { try house.pull("a/gone") }
    house.hub.plant(100, on: { $0.path.contains("/resolve/") }) {
      $0 = CannedAnswer(status: 403, headers: ["X-Error-Message": "Access to this resource is disabled."])
    }
    #expect(throws: gone) { try house.pull("a/gone") }
  }

  @Test func refusalsSayWhatToDo() throws {
    let house = try PullHouse()
    house.hub.publish("a/gated", PullHouse.model(), isGated: true)
    house.hub.publish("a/private", PullHouse.model(), isPrivate: true)
    house.hub.publish("a/file", ["some.safetensors": [1, 2, 3], "README.md": [35]])
    let good = ["HF_TOKEN": TestHub.token]
    func failure(_ text: String, _ more: [String: String] = [:]) throws -> HubError? {
      #expect(throws: HubError.self) { try house.pull(text, more) }
    }
    #expect(try failure("a/gated")?.kind == .notPermitted)
    #expect(try failure("a/private")?.kind == .missing)
    #expect(try failure("a/none", good) == .noRepository(#require(RepositoryID("a/none")), token: "HF_TOKEN"))
    #expect(try failure("a/private@old", good)?.kind == .missing)
    #expect(try failure("a/private", ["HF_TOKEN": "hf_wrong"]) == .badToken(origin: "HF_TOKEN"))
    #expect(try failure("a/file") == .noModel(#require(RepositoryID("a/file")), files: ["some.safetensors"]))
    #expect(try failure("a/file/other.safetensors")?.kind == .missing)
    #expect(try failure("a/file", ["HF_HUB_OFFLINE": "yes"])?.kind == .unavailable)
    #expect(try failure("a/file", ["HF_ENDPOINT": "http://127.0.0.1:9"])?.kind == .unavailable)
    #expect(try house.pull("a/private", good).bytes > 0)
    #expect(try house.pull("a/file/some.safetensors").path.hasSuffix("/some.safetensors"))
    #expect(try house.pull("a/file", for: .adapter).path.hasSuffix("/some.safetensors"))
    #expect(house.leaks.isEmpty)
  }

  @Test func anUnreachableHubLeavesWhatIsCached() throws {
    let house = try PullHouse()
    house.hub.publish("a/model", PullHouse.model())
    let path = try house.pull("a/model").path
    #expect(try house.pull("a/model", ["HF_ENDPOINT": "http://127.0.0.1:9"]).path == path)
    #expect(house.said.withLock { $0.contains { $0.contains("using the copy of commit") } })
    #expect(throws: HubError.self) {
      try house.pull("a/model", for: .adapter, ["HF_ENDPOINT": "http://127.0.0.1:9"])
    }
  }

  @Test func aCommitIsReplacedWithoutFetchingWhatStayed() throws {
    let house = try PullHouse()
    var files = PullHouse.model()
    let first = try (house.hub.publish("a/model", files), house.pull("a/model")).1
    files["unet/config.json"] = Array(#"{"a":2}"#.utf8)
    house.hub.publish("a/model", files)
    house.hub.forgetRequests()
    let second = try house.pull("a/model")
    #expect(first.path != second.path)
    #expect(!house.hub.requests.contains { $0.server == "storage" })
    #expect(
      try house.content(of: second.path, ["unet/config.json"])["unet/config.json"]
        == files["unet/config.json"])
    #expect(
      try house.content(of: first.path, ["unet/config.json"])["unet/config.json"] == Array(#"{"a":1}"#.utf8))
  }

  @Test func aFullDiskIsSeenBeforeTheStart() throws {
    let house = try PullHouse()
    let file = try #require(
      RemoteFile(
        path: "x", size: 40_000_000_000, gitName: String(repeating: "0", count: 40),
        sha256: String(repeating: "a", count: 64)))
    #expect(throws: Never.self) { try file.check() }
    let free = try #require(FreeSpace.bytes(at: house.folder + "/not/there/yet"))
    #expect(free > 0)
  }

  @Test func redirectsKeepTheTokenAtHome() throws {
    let token = Token("secret", from: "HF_TOKEN")
    let endpoint = try #require(WebAddress("https://mirror.example"))
    let trust = TokenTrust(
      token, origins: [endpoint.origin] + HubSettings.hubNames.compactMap { WebAddress($0)?.origin })
    for (address, has) in [
      ("https://mirror.example/a", true), ("https://huggingface.co/a", true), ("https://HF.co:443/a", true),
      ("http://huggingface.co/a", false), ("https://huggingface.co.evil.example/a", false),
      ("https://us.aws.cdn.hf.co/a", false), ("https://mirror.example:444/a", false),
    ] {
      #expect((trust.authorization(for: try #require(WebAddress(address))) != nil) == has, "\(address)")
    }
    #expect(WebAddress("https://huggingface.co@evil.example/") == nil)
    #expect("\(try #require(token))".contains("secret") == false)
  }
}
