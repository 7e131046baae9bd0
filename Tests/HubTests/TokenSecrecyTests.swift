import Foundation
import HTTP
import Hub
import Requests
import TestSupport
import Testing

/// Sites that send a token back in every place of an answer: no message ever shows it.
@Suite(.serialized)
struct TokenSecrecyTests {
  private static let civitaiToken = "civ_test_secret"

  /// What a hostile or careless site may answer, with a token in it.
  private static func answers(_ token: String) -> [CannedAnswer] {
    let page = CannedAnswer(
      status: 200, headers: ["Content-Type": "text/html"], body: Array("<p>\(token)".utf8))
    let statuses = [400, 401, 402, 403, 404, 408, 409, 410, 412, 416, 423, 429, 451, 500, 502, 503, 504]
    let refused = statuses.flatMap { status in
      [
        CannedAnswer.json(#"{"error":"bad \#(token)","message":"no \#(token)"}"#, status: status),
        CannedAnswer(status: status, headers: ["X-Error-Message": "what about \(token)?"]),
        CannedAnswer(
          status: status, headers: ["X-Request-Id": token, "X-Error-Code": token, "Retry-After": "0"],
          body: Array(token.utf8)),
      ]
    }
    let led = [
      "http://127.0.0.1:9/\(token)", "https://user:\(token)@127.0.0.1/x", "no address \(token)", "/\(token)",
      "http://[\(token)]/",
    ].map { CannedAnswer(status: 302, headers: ["Location": $0]) }
    let codes = ["GatedRepo", "RepoNotFound", "RevisionNotFound", "EntryNotFound"].map { code in
      CannedAnswer.json(
        #"{"error":"\#(token)"}"#, status: 403, ["X-Error-Code": code, "X-Error-Message": token])
    }
    let wrong = [
      CannedAnswer.json(#"{"sha":"\#(token)"}"#), CannedAnswer.json("[\"\(token)\"]"),
      CannedAnswer.json(token),
      CannedAnswer(headers: ["Content-Encoding": token], body: Array(token.utf8)),
      CannedAnswer(status: 206, headers: ["Content-Range": token], body: Array(token.utf8)),
    ]
    return refused + led + codes + wrong + [page]
  }

  private func check(_ house: PullHouse, _ secrets: [String], _ what: String, _ body: () throws -> Void) {
    var text = ""
    do { try body() } catch { text = "\(error) \(String(reflecting: error))" }
    text += house.said.withLock { said in
      defer { said = [] }
      return said.joined(separator: "\n")
    }
    for secret in secrets { #expect(!text.contains(secret), "\(what): \(text)") }
  }

  /// The servers at which an answer is exchanged, and the part of the address that asks.
  private static let places = [
    ("hub", "/api/models/"), ("hub", "/tree/"), ("hub", "/resolve/"), ("storage", "/"),
    ("civitai", "/api/v1/"), ("civitai", "/api/download/"), ("civitai-storage", "/"),
  ]

  @Test(arguments: places.indices) func aPullNeverShowsIt(place: Int) throws {
    let (server, path) = Self.places[place]
    let house = try PullHouse()
    let secrets = [TestHub.token, Self.civitaiToken]
    let tokens = ["HF_TOKEN": TestHub.token, "CIVITAI_API_TOKEN": Self.civitaiToken]
    let isCivitai = server.hasPrefix("civitai")
    for (number, answer) in Self.answers(isCivitai ? Self.civitaiToken : TestHub.token).enumerated() {
      house.hub.publish("a/m-\(number)", PullHouse.model(bytes: 200))
      house.hub.publish(
        version: 100 + number,
        CivitaiVersion(files: [.init(bytes: TestHub.safetensors(50, seed: UInt64(number)))]))
      house.hub.state.withLock { $0.faults = [] }
      house.hub.plant(100, on: { $0.server == server && $0.path.contains(path) }) { $0 = answer }
      check(house, secrets, "\(server)\(path) \(number)") {
        let text =
          isCivitai ? "https://civitai.com/api/download/models/\(100 + number)" : "a/m-\(number)"
        try house.pull(text, tokens)
      }
    }
    // Nobody else has seen it, whatever the redirects.
    #expect(house.leaks.allSatisfy { $0.server == "civitai" })
    #expect(!house.hub.requests.contains { $0.server.hasSuffix("storage") && $0.hasToken })
  }

  @Test(arguments: [
    "/api/whoami-v2", "/api/repos/create", "/preupload/", "/objects/batch", "/commit/", "/objects/verify",
  ])
  func aPushNeverShowsIt(path: String) throws {
    let house = try PullHouse()
    let folder = house.folder + "/push"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Data(PullHouse.noise(300, seed: 5)).write(to: URL(fileURLWithPath: folder + "/x.safetensors"))
    try Data("# x".utf8).write(to: URL(fileURLWithPath: folder + "/README.md"))
    for (number, answer) in Self.answers(TestHub.token).enumerated() {
      house.hub.state.withLock { $0.faults = [] }
      house.hub.plant(100, on: { $0.server == "hub" && $0.path.contains(path) }) { $0 = answer }
      let id = try #require(RepositoryID("a/pushed-\(number)"))
      check(house, [TestHub.token], "\(path) \(number)") {
        _ = try HubPush(
          settings: house.settings(["HF_TOKEN": TestHub.token]), transport: CurlTransport(), folder: folder,
          id: id, options: PushOptions(), pace: RetryPace(delays: [0]),
          say: { line in house.said.withLock { $0.append(line) } }
        ).run()
      }
    }
    #expect(house.leaks.isEmpty)
  }

  /// What a hub warns of is said once a topic, by its own answers alone, without the token.
  @Test func warningsAreSaidOnceATopic() throws {
    let house = try PullHouse()
    house.hub.publish("a/model", PullHouse.model())
    house.hub.plant(1000, on: { _ in true }) { answer in
      answer.headers["X-HF-Warning"] = "old-client; Your client \(TestHub.token) is old\u{1B}[2J"
    }
    try house.pull("a/model", ["HF_TOKEN": TestHub.token])
    let said = house.said.withLock(\.self)
    #expect(said == ["the hub says: Your client … is old\\u{1B}[2J"])
  }

  /// Wrong tokens of every origin are named by where they were found.
  @Test func aWrongTokenIsNamedByItsPlace() throws {
    let house = try PullHouse()
    house.hub.publish("a/model", PullHouse.model())
    let file = house.folder + "/token"
    try Data("hf_wrong\n".utf8).write(to: URL(fileURLWithPath: file))
    for (more, place) in [
      (["HF_TOKEN": "hf_wrong"], "HF_TOKEN"),
      (["HUGGING_FACE_HUB_TOKEN": "hf_wrong"], "HUGGING_FACE_HUB_TOKEN"),
      ([:], file), (["HF_TOKEN_PATH": file], file),
    ] {
      let error = #expect(throws: HubError.self) { try house.pull("a/model", more) }
      let text = error?.description ?? ""
      #expect(text.contains(place) && !text.contains("hf_wrong"), "\(text)")
    }
    // What cannot be a token is not shown either.
    let error = #expect(throws: HubError.self) { try house.settings(["HF_TOKEN": "hf_wrong and\nmore"]) }
    #expect(error?.description.contains("hf_wrong") == false)
  }
}
