import Foundation
import HTTP
import Hub
import Requests
import TestSupport
import Testing

@Suite(.serialized)
struct PushTests {
  private static let name = "tester/mixture"

  private static func isPut(_ request: SeenRequest) -> Bool { request.method == "PUT" }

  private static func isCommit(_ request: SeenRequest) -> Bool { request.path.contains("/commit/") }

  private static func folder(of house: PullHouse, _ files: [String: [UInt8]]) throws -> String {
    let folder = house.folder + "/model"
    for (path, bytes) in files {
      let place = URL(fileURLWithPath: "\(folder)/\(path)")
      try FileManager.default.createDirectory(
        at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
      try Data(bytes).write(to: place)
    }
    return folder
  }

  private static let files: [String: [UInt8]] = [
    "model_index.json": Array("{}".utf8), "unet/config.json": Array("{\"a\":1}".utf8),
    "unet/diffusion_pytorch_model.safetensors": PullHouse.noise(100_000, seed: 1),
    "vae/diffusion_pytorch_model.safetensors": PullHouse.noise(40_000, seed: 2),
    "empty.txt": [], "step_100/x.json": [1], ".git/config": [2],
  ]

  private static func push(
    _ house: PullHouse, _ folder: String, _ change: (inout PushOptions) -> Void = { _ in }
  ) throws -> PushResult {
    var options = PushOptions()
    options.ignore = ["step_*"]
    change(&options)
    return try HubPush(
      settings: try house.settings(["HF_TOKEN": TestHub.token, "XDG_STATE_HOME": house.folder + "/state"]),
      transport: CurlTransport(), folder: folder, id: try #require(RepositoryID(name)), options: options,
      pace: RetryPace(delays: [0, 0, 0, 0, 0])
    ).run()
  }

  private static func pushed(_ house: PullHouse) throws -> TestHub.Repository {
    try #require(house.hub.state.withLock { $0.repositories[name] })
  }

  private static var wanted: [String: [UInt8]] {
    files.filter { !$0.key.hasPrefix("step_") && !$0.key.hasPrefix(".git") }
  }

  @Test(arguments: [nil, 30_000])
  func aFolderIsThereAndNothingIsSentTwice(part: Int?) throws {
    let house = try PullHouse()
    house.hub.state.withLock { $0.multipart = part }
    let folder = try Self.folder(of: house, Self.files)
    let first = try Self.push(house, folder)
    #expect(try Self.pushed(house).files == Self.wanted)
    #expect(first.uploadedBytes == 140_000 && first.files.count == Self.wanted.count)
    #expect(try Self.pushed(house).commit == first.commit)
    #expect(house.leaks.isEmpty)
    house.hub.forgetRequests()
    let second = try Self.push(house, folder)
    #expect(second.commit == first.commit && second.files.isEmpty && second.uploadedBytes == 0)
    #expect(!house.hub.requests.contains { Self.isPut($0) || Self.isCommit($0) })
    // One that changed.
    try Data([7]).write(to: URL(fileURLWithPath: folder + "/model_index.json"))
    #expect(try Self.push(house, folder).files == ["model_index.json"])
  }

  @Test func aDryRunSendsNothing() throws {
    let house = try PullHouse()
    house.hub.publish(Self.name, ["model_index.json": Array("{}".utf8)])
    let result = try Self.push(house, try Self.folder(of: house, Self.files)) { $0.isDry = true }
    #expect(result.files == Self.wanted.keys.filter { $0 != "model_index.json" }.sorted())
    #expect(
      !house.hub.requests.contains { Self.isPut($0) || Self.isCommit($0) || $0.path.hasSuffix("/create") })
  }

  @Test(arguments: ["lost", "expired", "broken"])
  func afterAFaultAllIsSent(fault: String) throws {
    let house = try PullHouse()
    house.hub.plant(2, on: Self.isPut) { answer in
      switch fault {
      case "lost": answer.isLost = true
      case "expired": answer = CannedAnswer(status: 403, body: Array("Request has expired".utf8))
      default: answer = CannedAnswer(status: 503)
      }
    }
    _ = try Self.push(house, try Self.folder(of: house, Self.files))
    #expect(try Self.pushed(house).files == Self.wanted)
  }

  @Test func aLostAnswerMakesOneCommit() throws {
    let house = try PullHouse()
    house.hub.plant(on: Self.isCommit) { $0.isLost = true }
    let result = try Self.push(house, try Self.folder(of: house, Self.files))
    #expect(try Self.pushed(house).commits == 2 && Self.pushed(house).commit == result.commit)
  }

  @Test func aBranchThatMovedIsCommittedTo() throws {
    let house = try PullHouse()
    house.hub.publish(Self.name, ["other.txt": [1]])
    let folder = try Self.folder(of: house, Self.files)
    house.hub.plant(on: Self.isCommit) { $0 = .json(#"{"error":"updated"}"#, status: 412) }
    _ = try Self.push(house, folder)
    #expect(try Self.pushed(house).files == Self.wanted.merging(["other.txt": [1]]) { $1 })
  }

  @Test func withoutATokenNothingIsAsked() throws {
    let house = try PullHouse()
    let push = HubPush(
      settings: try house.settings(), transport: CurlTransport(),
      folder: try Self.folder(of: house, Self.files),
      id: try #require(RepositoryID(Self.name)), options: PushOptions())
    #expect(#expect(throws: HubError.self) { try push.run() }?.kind == .notPermitted)
    #expect(house.hub.requests.isEmpty)
  }

  @Test func aMergeWithoutACardGetsOne() throws {
    let house = try PullHouse()
    let config =
      #"{"segmoe_config":{"type":"sd","base_model":"a/base","num_experts_per_tok":2,"experts":"#
      + #"[{"source_model":"a/base","positive_prompt":"cat | dog","negative_prompt":"x"},"#
      + #"{"source_model":"https://civitai.com/api/download/models/1","positive_prompt":"b","negative_prompt":""}]}}"#
    let folder = try Self.folder(of: house, ["unet/config.json": Array(config.utf8), "s.png": [1]])
    let card = try #require(ModelCard(folder: folder, name: "mixture")).text(samples: ["samples/s.png"])
    #expect(card.hasPrefix("---\nlibrary_name: diffusers\n"))
    #expect(
      card.contains("base_model:\n- a/base\n") && card.contains("cat \\| dog")
        && card.contains("(samples/s.png)"))
    #expect(card.contains("| expert 2 | https://civitai.com/api/download/models/1 | b |  |"))
    _ = try Self.push(house, folder) { options in
      options.card = card
      options.samples = [folder + "/s.png"]
    }
    #expect(try Self.pushed(house).files["README.md"] == Array(card.utf8))
    #expect(try Self.pushed(house).files["samples/s.png"] == [1])
  }

  @Test func patternsAreThoseOfPython() {
    #expect(PushFolder.matches("step_1/x", ["step_*"]))
    #expect(!PushFolder.matches("a/step_1", ["step_*"]))
    #expect(PushFolder.matches("a/b/c.txt", ["a/*"]))
    #expect(!PushFolder.matches("A/b", ["a/*"]))
    #expect(PushFolder.matches("a1", ["a[!2]"]))
  }
}
