import Foundation
import Hub
import Requests
import TestSupport
import Testing

@Suite(.serialized)
struct CivitaiTests {
  private static func link(_ version: Int, _ query: String = "") -> String {
    "https://civitai.com/api/download/models/\(version)\(query)"
  }

  @Test func aLinkIsFetchedOnceAndFoundAgain() throws {
    let house = try PullHouse()
    let bytes = TestHub.safetensors()
    house.hub.publish(version: 7, CivitaiVersion(files: [.init(bytes: bytes)], needsToken: true))
    let pulled = try house.pull(Self.link(7), ["CIVITAI_API_TOKEN": "secret"])
    #expect(Array(try Data(contentsOf: URL(fileURLWithPath: pulled.path))) == bytes)
    #expect(
      pulled.path.hasSuffix("/civitai/7/70/\(TestHub.hash(bytes)).safetensors") && pulled.revision == "7")
    #expect(ModelSource.name(ofPath: pulled.path) == Self.link(7, "?fileId=70"))
    #expect(!house.hub.requests.contains { $0.server == "civitai-storage" && $0.hasToken })
    #expect(house.hub.requests.allSatisfy { $0.method == "GET" && !$0.target.contains("secret") })
    house.hub.forgetRequests()
    #expect(try house.pull(Self.link(7), ["HF_HUB_OFFLINE": "1"]).fromCache)
    #expect(house.hub.requests.isEmpty)
  }

  @Test func theConditionsOfALinkAreHonoured() throws {
    let house = try PullHouse()
    let (half, full) = (TestHub.safetensors(seed: 1), TestHub.safetensors(seed: 2))
    house.hub.publish(
      version: 8, CivitaiVersion(files: [.init(bytes: half), .init(bytes: full, precision: "fp32")]))
    let pulled = try house.pull(Self.link(8, "?type=Model&format=SafeTensor&fp=fp32"))
    #expect(Array(try Data(contentsOf: URL(fileURLWithPath: pulled.path))) == full)
    #expect(try house.pull(Self.link(8, "?fileId=81")).path == pulled.path)
    let error = #expect(throws: HubError.self) { try house.pull(Self.link(8, "?fp=bf16")) }
    #expect(error?.kind == .missing)
  }

  @Test func aPageOfAModelMeansItsNewestVersion() throws {
    let house = try PullHouse()
    for version in [3, 9] {
      house.hub.publish(
        version: version,
        CivitaiVersion(model: 5, files: [.init(bytes: TestHub.safetensors(seed: UInt64(version)))]))
    }
    #expect(try house.pull("https://civitai.com/models/5/a-name").revision == "9")
    #expect(house.said.withLock { $0.contains { $0.contains("newest version, 9") } })
  }

  @Test func whatIsNoModelIsRefused() throws {
    let house = try PullHouse()
    house.hub.publish(version: 1, CivitaiVersion(files: [.init(bytes: [1, 2, 3], format: "PickleTensor")]))
    house.hub.publish(
      version: 2,
      CivitaiVersion(files: [.init(bytes: Array("PK\u{3}\u{4} a zip of pickles".utf8), isHashed: false)]))
    house.hub.publish(
      version: 3, CivitaiVersion(files: [.init(bytes: TestHub.safetensors())], needsToken: true))
    house.hub.publish(version: 4, CivitaiVersion(files: [.init(bytes: TestHub.safetensors())]))
    house.hub.plant(on: { $0.path.contains("/download/models/4") }) {
      $0 = CannedAnswer(
        headers: ["Content-Type": "text/html; charset=utf-8"], body: Array("<!doctype html>".utf8))
    }
    for (version, kind) in [
      (1, HubError.Kind.damaged), (2, .damaged), (3, .notPermitted), (4, .notPermitted), (5, .missing),
    ] {
      let error = #expect(throws: HubError.self) { try house.pull(Self.link(version)) }
      #expect(error?.kind == kind, "\(version): \(error as Any)")
    }
    #expect(
      !house.hub.requests.contains { $0.path.contains("/download/models/1") },
      "a pickle is not even asked for")
  }

  @Test func aVersionThatIsNotShownMayStillBeServed() throws {
    let house = try PullHouse()
    let bytes = TestHub.safetensors()
    house.hub.publish(version: 6, CivitaiVersion(files: [.init(bytes: bytes)], isListed: false))
    let pulled = try house.pull(Self.link(6))
    #expect(pulled.bytes == bytes.count && pulled.path.contains(TestHub.hash(bytes)))
    #expect(house.said.withLock { $0.contains { $0.contains("not verified") } })
  }

  @Test func aBrokenDownloadGoesOn() throws {
    let house = try PullHouse()
    let bytes = TestHub.safetensors(100_000)
    house.hub.publish(version: 7, CivitaiVersion(files: [.init(bytes: bytes)]))
    house.hub.plant(on: { $0.server == "civitai-storage" }) { $0.cutAfter = 60_000 }
    let pulled = try house.pull(Self.link(7))
    #expect(Array(try Data(contentsOf: URL(fileURLWithPath: pulled.path))) == bytes)
    #expect(house.hub.requests.contains { $0.headers["range"] == "bytes=60000-" })
  }
}
