import Foundation
import Hub
import JobStore
import Requests
import TestSupport
import Testing

/// The service as people have it: the built segmoectl, segmoed and segmoed fetch, with the test hub.
@Suite(.serialized)
struct ServiceFetchTests {
  private static let settings = ["--width", "64", "--height", "64", "--steps", "2", "--scheduler", "ddim"]

  private func client(_ house: FetchHouse, _ arguments: [String]) throws -> RealProgram {
    let program = try RealProgram("segmoectl", house, arguments)
    program.end()
    return program
  }

  private func enqueue(_ house: FetchHouse, _ model: String, _ more: [String] = []) throws -> RealProgram {
    try client(house, ["enqueue", "a fox", "--model", model] + Self.settings + more)
  }

  /// Enqueue, fetch, render; the card moves between two jobs of a batch, and nobody notices but the next batch.
  @Test(arguments: StoreKind.here)
  func aCardIsRenderedFromOneCommit(kind: StoreKind) throws {
    let house = try FetchHouse(kind)
    let model = try FetchHouse.model()
    let commit = house.hub.publish("a/tiny", model)
    let models = house.folder + "/models"
    try FileManager.default.createDirectory(atPath: models, withIntermediateDirectories: true)
    let first = try client(house, ["enqueue", "one", "two", "--model", "a/tiny"] + Self.settings)
    #expect(first.output == "batch 1: jobs 1 to 2 queued\n")
    #expect(
      first.words.contains("no fetcher runs") && first.words.contains("segmoed fetch"), "\(first.words)")
    #expect(try client(house, ["list"]).output.contains("waiting for a/tiny, no fetcher runs"))

    let fetcher = try RealProgram("segmoed", house, ["fetch"])
    try house.wait { try house.client.sources(batch: 1).first?.state == .ready }
    // The card moves before anything is rendered.
    var moved = model
    moved["scheduler/scheduler_config.json"]?.append(UInt8(ascii: "\n"))
    moved["model_index.json"]?.append(UInt8(ascii: "\n"))
    let later = house.hub.publish("a/tiny", moved)
    // Only folders that are named, and what the fetcher has brought.
    let daemon = try RealProgram("segmoed", house, ["--models", models])
    try house.wait { try (1...2).allSatisfy { try house.job($0).job.state == .done } }
    #expect(try daemon.internetSockets().isEmpty)
    let second = try enqueue(house, "a/tiny")
    #expect(second.words.contains("waiting for a/tiny, which is fetched first"), "\(second.words)")
    try house.wait { try house.job(3).job.state == .done }
    let names = try (1...3).map { try house.job($0).job.request.render.model }
    #expect(names == ["a/tiny@\(commit)", "a/tiny@\(commit)", "a/tiny@\(later)"])
    #expect(try daemon.internetSockets().isEmpty)

    let shown = try client(house, ["show", "1"])
    #expect(shown.output.contains("a/tiny: \(commit), "), "\(shown.output)")
    let json = try JSONSerialization.jsonObject(
      with: Data(try client(house, ["show", "1", "--json"]).output.utf8))
    let source = ((json as? [String: Any])?["sources"] as? [[String: Any]])?.first
    #expect(source?["revision"] as? String == commit && source?["source"] as? String == "a/tiny")
    // A picture says which commit it is of, and nothing of this machine.
    let path = try #require(try house.job(1).images.first?.path)
    let picture = String(decoding: try Data(contentsOf: URL(fileURLWithPath: path)), as: UTF8.self)
    #expect(picture.contains("a/tiny@\(commit)") && !picture.contains(house.folder))
    #expect(fetcher.stop() == 0 && daemon.stop() == 0)
    #expect(!fetcher.words.contains("error") && !daemon.words.contains("error"), "\(fetcher.words)")
  }

  /// The first line of the announcement: a mixture by the name of its card.
  @Test func aMixtureIsRenderedByItsName() throws {
    let house = try FetchHouse()
    var files = try FetchHouse.model().filter {
      !$0.key.hasPrefix("unet/") && !$0.key.hasPrefix("scheduler/")
    }
    files.merge(try FetchHouse.model("merges/all-3x2").filter { $0.key != "gates.safetensors" }) { $1 }
    files["README.md"] = Array("# SegMoE".utf8)
    house.hub.publish("segmind/SegMoE-4x2-v0", files)
    let render = try RealProgram(
      "segmoe", house,
      [
        "render", "segmind/SegMoE-4x2-v0", "--prompt", "a cat in a hat", "--output", "cat.png", "--threads",
        "1",
      ]
        + Self.settings)
    #expect(render.end() == 0, "\(render.words)")
    let picture = FileManager.default.contents(atPath: house.folder + "/cat.png") ?? Data()
    #expect(String(decoding: picture, as: UTF8.self).contains("segmind/SegMoE-4x2-v0@"))
    #expect(!house.hub.requests.contains { $0.path.hasSuffix("README.md") })
  }

  /// A person's daemon does both, and ends with the last job.
  @Test(arguments: StoreKind.here)
  func oneDaemonDoesBoth(kind: StoreKind) throws {
    let house = try FetchHouse(kind)
    house.hub.publish("a/tiny", try FetchHouse.model())
    let queued = try enqueue(house, "hf://a/tiny")
    #expect(queued.output == "batch 1: job 1 queued\n")
    let daemon = try RealProgram("segmoed", house, ["--fetch", "--drain"])
    #expect(daemon.end() == 0, "\(daemon.words)")
    #expect(try house.job(1).job.state == .done)
    #expect(try house.client.fetchers().isEmpty)
  }

  /// The fetcher beside a daemon ends with it, however that ends.
  @Test(arguments: StoreKind.here)
  func theFetcherEndsWithItsDaemon(kind: StoreKind) throws {
    let house = try FetchHouse(kind)
    let daemon = try RealProgram("segmoed", house, ["--fetch"])
    try house.wait { try !house.client.fetchers().isEmpty }
    let pid = try #require(try house.client.fetchers().first).pid
    #expect(pid != Int(daemon.pid) && kill(pid_t(pid), 0) == 0)
    daemon.kill()
    // It signs off.
    try house.wait { try house.client.fetchers().isEmpty }
  }

  /// Killed again and again in the middle of files: in the end the right bytes are there, and the job is rendered.
  @Test(arguments: StoreKind.here)
  func aKilledFetcherIsGoneOnWith(kind: StoreKind) throws {
    let house = try FetchHouse(kind)
    house.hub.publish("a/tiny", try FetchHouse.model())
    try house.enqueue("a/tiny")
    for round in 0..<4 {
      house.hub.plant(2, on: { $0.server == "storage" }) { answer in
        (answer.cutAfter, answer.stall) = (answer.body.count * (round + 1) / 6, Patience.seconds)
      }
      let before = house.hub.requests.filter { $0.server == "storage" }.count
      let fetcher = try RealProgram("segmoed", house, ["fetch"])
      try house.wait { house.hub.requests.filter { $0.server == "storage" }.count >= before + 2 }
      fetcher.kill()
      #expect(try house.client.sources(batch: 1).first?.state == .fetching)
      house.hub.state.withLock { $0.faults = [] }
    }
    let fetcher = try RealProgram("segmoed", house, ["fetch"])
    try house.wait { try house.client.sources(batch: 1).first?.state == .ready }
    #expect(fetcher.stop() == 0)
    let daemon = try RealProgram("segmoed", house, ["--drain"])
    #expect(daemon.end() == 0)
    #expect(try house.job(1).job.state == .done, "\(daemon.words)")
    #expect(house.hub.requests.contains { $0.server == "storage" && $0.headers["range"] != nil })
  }

  /// What the configuration does not allow, and what the hub does not have: the reason is the job's error, and `--wait`
  /// says it.
  @Test(arguments: StoreKind.here)
  func refusalsReachTheClient(kind: StoreKind) throws {
    let house = try FetchHouse(kind)
    house.hub.publish("bad/model", PullHouse.model())
    let fetcher = try RealProgram("segmoed", house, ["fetch"], ["SEGMOE_FETCH_OWNERS": "good, other"])
    let daemon = try RealProgram("segmoed", house, [])
    try house.wait { try !house.client.fetchers().isEmpty && !house.client.workers().isEmpty }
    for (model, reason) in [("bad/model", "fetch.owners"), ("good/none", "knows no such model")] {
      let waited = try RealProgram(
        "segmoectl", house, ["enqueue", "x", "--model", model, "--wait"] + Self.settings)
      #expect(waited.end() == 69, "\(waited.words)")
      let batch = try #require(try house.client.batches(limit: 1).last).id
      #expect(try house.job(batch).job.failure?.message.contains(reason) == true)
    }
    #expect(fetcher.stop() == 0 && daemon.stop() == 0)
  }

  /// A token that a person pastes with a link is in no file and no line.
  @Test func noTokenIsKeptOrSaid() throws {
    let house = try FetchHouse()
    house.hub.publish(
      version: 7, CivitaiVersion(files: [.init(bytes: TestHub.safetensors())], needsToken: true))
    house.hub.publish("a/gated", PullHouse.model(), isGated: true)
    let secret = "civ-secret-0815"
    let queued = try enqueue(
      house, "https://civitai.com/api/download/models/7?token=\(secret)&format=SafeTensor")
    #expect(queued.words.contains("the token in the link is not kept"))
    _ = try enqueue(house, "a/gated")
    let fetcher = try RealProgram(
      "segmoed", house, ["fetch"], ["CIVITAI_API_TOKEN": secret, "HF_TOKEN": "hf_wrong_0815"])
    try house.wait {
      try house.client.sources(batch: 1).first?.state == .ready && house.job(2).job.state == .failed
    }
    #expect(fetcher.stop() == 0)
    for text in [
      fetcher.words, fetcher.output, queued.words, queued.output, try client(house, ["show", "2"]).output,
    ] {
      #expect(!text.contains(secret) && !text.contains("hf_wrong_0815"))
    }
    let names = FileManager.default.enumerator(atPath: house.folder)?.compactMap { $0 as? String } ?? []
    for name in names {
      guard let data = FileManager.default.contents(atPath: house.folder + "/" + name) else { continue }
      #expect(!String(decoding: data, as: UTF8.self).contains(secret), "\(name)")
    }
  }
}
