import Foundation
import HTTP
import Hub
import JobStore
import Requests
import Synchronization
import TestSupport
import Testing

/// The fetcher with a test hub and a queue, within this process.
@Suite(.serialized)
struct SourceFetcherTests {
  @Test(arguments: StoreKind.here)
  func aSourceIsFetchedAndItsJobsNameItsCommit(kind: StoreKind) throws {
    let house = try FetchHouse(kind)
    let commit = house.hub.publish("a/model", PullHouse.model())
    let bytes = TestHub.safetensors()
    house.hub.publish("a/lora", ["x.safetensors": bytes])
    house.hub.publish(version: 7, CivitaiVersion(files: [.init(bytes: bytes)]))
    try house.enqueue("a/model") { request in
      request.loras = [
        LoRAReference(path: "a/lora", weight: 0.5),
        LoRAReference(path: "https://civitai.com/api/download/models/7"),
      ]
    }
    try house.fetch { try house.client.sources(job: 1).allSatisfy { $0.state == .ready } }
    let job = try house.job(1).job
    #expect(!job.isWaitingForSource && job.request.render.model == "a/model@\(commit)")
    let loras = job.request.render.loras
    #expect(loras.map(\.weight) == [0.5, 1])
    #expect(
      loras[0].path.hasPrefix("https://huggingface.co/a/lora/blob/")
        && loras[0].path.hasSuffix("/x.safetensors"))
    #expect(loras[1].path == "https://civitai.com/api/download/models/7?fileId=70")
    let sources = try house.client.sources(job: 1)
    #expect(sources.allSatisfy { FileManager.default.fileExists(atPath: $0.path ?? "") })
    #expect(sources.first?.path == "\(house.pulls.cache)/models--a--model/snapshots/\(commit)")
    #expect(house.pulls.leaks.isEmpty)
    // Signed off.
    #expect(try house.client.fetchers().isEmpty)
  }

  /// The card moves while a batch waits and between two batches.
  @Test(arguments: StoreKind.here)
  func aBatchStaysAtItsCommit(kind: StoreKind) throws {
    let house = try FetchHouse(kind)
    let first = house.hub.publish("a/model", PullHouse.model(bytes: 1000))
    try house.enqueue("a/model", 3)
    try house.fetch { try house.client.sources(batch: 1).first?.state == .ready }
    let second = house.hub.publish("a/model", PullHouse.model(bytes: 2000))
    try house.enqueue("a/model")
    try house.fetch { try house.client.sources(batch: 2).first?.state == .ready }
    let names = try (1...4).map { try house.job($0).job.request.render.model }
    #expect(names == Array(repeating: "a/model@\(first)", count: 3) + ["a/model@\(second)"])
    // One whose model is gone from the cache is fetched at its own commit, or not at all.
    _ = try house.client.cancel(.job(1), discard: false)
    #expect(try house.client.sources(batch: 1).first?.revision == first)
  }

  @Test(arguments: StoreKind.here)
  func whatCannotBeHadFailsOnceWithTheReason(kind: StoreKind) throws {
    let house = try FetchHouse(kind)
    house.hub.publish("a/gated", PullHouse.model(), isGated: true)
    house.hub.publish(
      "a/pickled", ["model_index.json": Array(#"{"unet":["d","U"]}"#.utf8), "unet/model.bin": [1]])
    house.hub.publish("a/ok", PullHouse.model())
    let cases = [
      ("a/none", "knows no such model"), ("a/gated", "accept its conditions"),
      ("a/pickled", "pickled weights"),
      ("a/ok@v9", "no branch, tag or commit 'v9'"), ("a/ok/none.safetensors", "has no file"),
      ("https://civitai.com/api/download/models/99", "not found"),
    ]
    for (model, _) in cases { try house.enqueue(model) }
    try house.fetch(house.settings { $0.hub.token = nil }) {
      try (1...Int64(cases.count)).allSatisfy { try house.job($0).job.state == .failed }
    }
    for (index, (model, reason)) in cases.enumerated() {
      let details = try house.job(Int64(index + 1))
      let message = details.job.failure?.message ?? ""
      #expect(message.lowercased().contains(reason.lowercased()), "\(model): \(message)")
      #expect(details.events.filter { $0.kind == .failed }.count == 1 && details.job.attempts == 0)
    }
  }

  /// Owners, sites and sizes that are not allowed are refused by name, before any byte.
  @Test(arguments: StoreKind.here)
  func limitsAreKept(kind: StoreKind) throws {
    let house = try FetchHouse(kind)
    house.hub.publish("good/model", PullHouse.model(bytes: 1000))
    house.hub.publish("good/large", PullHouse.model(bytes: 100_000))
    house.hub.publish("bad/model", PullHouse.model())
    house.hub.publish(
      version: 7, CivitaiVersion(files: [.init(bytes: TestHub.safetensors(50_000), isHashed: false)]))
    for model in ["Good/model", "good/large", "bad/model", "https://civitai.com/api/download/models/7"] {
      try house.enqueue(model)
    }
    var limits = SourceLimits()
    (limits.owners, limits.hosts, limits.largest) = (["good"], [.huggingFace], 20_000)
    house.hub.publish("Good/model", PullHouse.model(bytes: 1000))
    try house.fetch(house.settings { $0.limits = limits }) {
      try (1...4).allSatisfy {
        try !house.job($0).job.isWaitingForSource || house.job($0).job.state == .failed
      }
    }
    let messages = try (1...4).map { try house.job($0).job.failure?.message }
    #expect(messages[0] == nil)
    #expect(messages[1]?.contains("fetch.largest") == true && messages[1]?.contains("20.0 kB") == true)
    #expect(messages[2]?.contains("models of bad are not fetched here (fetch.owners") == true)
    #expect(messages[3]?.contains("nothing is fetched from civitai.com here (fetch.hosts") == true)
    #expect(!house.hub.requests.contains { $0.target.contains("bad/") || $0.server.hasPrefix("civitai") })
    #expect(
      !house.hub.requests.contains { $0.target.contains("good/large/resolve") && $0.target.contains("unet") })
    // A site that says no size is cut off at the limit.
    house.hub.publish(
      version: 8,
      CivitaiVersion(files: [.init(bytes: TestHub.safetensors(50_000), isHashed: false)], isListed: false))
    try house.enqueue("https://civitai.com/api/download/models/8")
    limits.hosts = [.civitai]
    try house.fetch(house.settings { $0.limits = limits }) { try house.job(5).job.state == .failed }
    #expect(try house.job(5).job.failure?.message.contains("fetch.largest") == true)
  }

  /// Without a network: tried again, visible meanwhile, and failed in the end.
  @Test(arguments: StoreKind.here)
  func aSiteThatCannotBeReachedIsTriedAgain(kind: StoreKind) throws {
    let house = try FetchHouse(kind)
    house.hub.publish("a/model", PullHouse.model())
    try house.enqueue("a/model")
    let nobody = try #require(WebAddress("http://127.0.0.1:9"))
    try house.fetch(house.settings { ($0.hub.endpoint, $0.pauses) = (nobody, [60]) }) {
      try house.client.sources(batch: 1).first?.error != nil
    }
    #expect(try house.overview("state", 1)?.hasPrefix("waiting for a/model, again at ") == true)
    #expect(try house.overview("error", 1)?.contains("127.0.0.1 cannot be reached") == true)
    #expect(try house.job(1).job.state == .queued)
    // There is a network again; somebody does not want to wait.
    _ = try house.client.retry(.job(1))
    try house.fetch { try !house.job(1).job.isWaitingForSource }
    try house.enqueue("a/other")
    try house.fetch(house.settings { ($0.hub.endpoint, $0.pauses) = (nobody, [0, 0]) }) {
      try house.job(2).job.state == .failed
    }
    #expect(try house.job(2).job.failure?.message.contains("cannot be reached") == true)
  }

  /// Offline, what is whole in the cache is taken, and what is not fails.
  @Test(arguments: StoreKind.here)
  func offlineTheCacheIsEnough(kind: StoreKind) throws {
    let house = try FetchHouse(kind)
    house.hub.publish("a/model", PullHouse.model())
    try house.pulls.pull("a/model")
    house.hub.forgetRequests()
    for model in ["a/model", "a/other"] { try house.enqueue(model) }
    try house.fetch(house.settings { $0.hub.isOffline = true }) {
      try house.job(2).job.state == .failed && !house.job(1).job.isWaitingForSource
    }
    #expect(try house.job(2).job.failure?.message.contains("offline") == true)
    #expect(!house.hub.requests.contains { $0.target.contains("other") })
  }

  /// A fetcher that stops in the middle leaves its source to the next one. That half a file is gone on with is tried by
  /// killing the real one (`aKilledFetcherIsGoneOnWith`).
  @Test(arguments: StoreKind.here)
  func whatWasBegunIsGoneOnWith(kind: StoreKind) throws {
    let house = try FetchHouse(kind)
    house.hub.publish("a/model", PullHouse.model(bytes: 400_000))
    try house.enqueue("a/model")
    house.hub.plant(2, on: { $0.server == "storage" }) { answer in
      (answer.cutAfter, answer.stall) = (answer.body.count / 2, Patience.seconds)
    }
    try house.fetch {
      let folder = "\(house.pulls.cache)/models--a--model/blobs"
      return house.pulls.blobs("a/model").contains { name in
        let size = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")[.size] as? Int
        return name.hasSuffix(".incomplete") && size ?? 0 > 10_000
      }
    }
    #expect(try house.client.sources(batch: 1).first?.state == .wanted)
    // The first may have been stopped before it asked for a second file: its stall is not for the next one.
    house.hub.state.withLock { $0.faults = [] }
    try house.fetch(pid: 2) { try house.client.sources(batch: 1).first?.state == .ready }
    let path = try #require(try house.client.sources(batch: 1).first?.path)
    let files = PullHouse.model(bytes: 400_000).filter { $0.key.hasSuffix(".safetensors") }
    #expect(try house.pulls.content(of: path, Array(files.keys)) == files)
  }

  /// Two fetchers and many batches: each file of each commit comes over the network once.
  @Test(arguments: StoreKind.here)
  func twoFetchersFetchEachFileOnce(kind: StoreKind) throws {
    let house = try FetchHouse(kind)
    for name in ["x", "y", "z"] {
      house.hub.publish("a/\(name)", PullHouse.model(bytes: 500 * Int(name.utf8.first ?? 0)))
      for _ in 0..<3 { try house.enqueue("a/\(name)") }
    }
    try house.fetch(pid: 1) {
      try house.fetch(pid: 2) {
        try (1...9).allSatisfy { try house.client.sources(batch: $0).first?.state == .ready }
      }
      return true
    }
    let fetched = house.hub.requests.filter { $0.server == "storage" }.map(\.path)
    #expect(fetched.count == Set(fetched).count)
  }

  /// A folder of models that has the card's name: the local path wins, and nothing is asked.
  @Test(arguments: StoreKind.here)
  func aLocalModelWins(kind: StoreKind) throws {
    let house = try FetchHouse(kind)
    let models = house.folder + "/models"
    try FileManager.default.createDirectory(atPath: models + "/a/model", withIntermediateDirectories: true)
    try house.enqueue("a/model")
    try house.fetch(house.settings { $0.modelFolders = [models] }) {
      try !house.job(1).job.isWaitingForSource
    }
    // A path of this machine means nothing to the others.
    let name = kind == .sqlite ? models + "/a/model" : "a/model"
    #expect(try house.job(1).job.request.render.model == name)
    #expect(house.hub.requests.isEmpty)
  }

  /// Nobody wants it any more: the download ends.
  @Test(arguments: StoreKind.here)
  func aCancelledJobEndsItsDownload(kind: StoreKind) throws {
    let house = try FetchHouse(kind)
    house.hub.publish("a/model", PullHouse.model(bytes: 400_000))
    try house.enqueue("a/model")
    let isCancelled = Mutex(false)
    house.hub.plant(20, on: { $0.server == "storage" }) { answer in
      // Bytes come when nobody wants them any more.
      let limit = Patience.end
      while !isCancelled.withLock({ $0 }), Date() < limit { Thread.sleep(forTimeInterval: 0.01) }
      (answer.cutAfter, answer.stall) = (answer.body.count / 3, 0.3)
    }
    try house.fetch {
      guard try house.client.sources(batch: 1).first?.state == .fetching else { return false }
      _ = try house.client.cancel(.job(1), discard: false)
      isCancelled.withLock { $0 = true }
      try house.wait { try house.client.sources(batch: 1).first?.state == .wanted }
      return true
    }
    // Nothing has gone wrong: it was ended.
    #expect(try house.client.sources(batch: 1).first?.error == nil)
  }
}
