import Foundation
import JobStore
import TestSupport
import Testing

/// What both stores promise of the models that workers have.
@Suite struct ModelConformanceTests {
  private func model(_ name: String, fault: String? = nil, bytes: Int64 = 7) -> ModelRecord {
    var record = ModelRecord(
      name: name, path: "/m/\(name)", kind: "sd", bytes: bytes, description: "SD1.5 \"folder\"")
    record.fault = fault
    return record
  }

  @Test(arguments: StoreKind.here)
  func whatIsInTheFoldersIsListedLoadedOrNot(kind: StoreKind) throws {
    let store = try TestStore(kind)
    #expect(try !store.client.knownModels().isComplete)
    let worker = try store.worker()
    #expect(try !store.client.knownModels().isComplete)
    try worker.declare([model("fox"), model("owl", fault: "cut short")], areAll: true)
    let known = try store.client.knownModels()
    #expect(known.isComplete && known.models.map(\.name) == ["fox", "owl"])
    #expect(known.usable.map(\.name) == ["fox"])
    #expect(known["/m/fox"]?.name == "fox" && known["cat"] == nil)
    let (fox, owl) = (known.models[0], known.models[1])
    #expect(fox.kind == "sd" && fox.bytes == 7 && fox.loadedAt == nil && fox.workers == ["w"])
    #expect(fox.description == "SD1.5 \"folder\"" && fox.fault == nil && owl.fault == "cut short")
    // What is loaded keeps what the folder told, and the digest goes with the files.
    try worker.register(ModelRecord(name: "fox", path: "/m/fox", digest: "d"), loaded: true, with: [])
    let loaded = try #require(try store.client.knownModels()["fox"])
    #expect(loaded.bytes == 7 && loaded.digest == "d" && loaded.loadedAt != nil)
    try worker.declare([model("fox")], areAll: true)
    #expect(try store.client.knownModels()["fox"]?.digest == "d")
    try worker.declare([model("fox", bytes: 8)], areAll: true)
    let changed = try #require(try store.client.knownModels()["fox"])
    #expect(changed.digest == nil && changed.bytes == 8 && changed.loadedAt == loaded.loadedAt)
    // A worker that takes models from anywhere has not said all.
    try worker.declare([model("fox")], areAll: false)
    #expect(try !store.client.knownModels().isComplete)
  }

  @Test(arguments: StoreKind.here)
  func whatWentAwayIsListedNoMore(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try worker.declare([model("fox"), model("owl")], areAll: true)
    try worker.register(model("fox"), loaded: true, with: [])
    try worker.declare([model("owl")], areAll: true)
    #expect(try store.client.knownModels().models.map(\.name) == ["owl"])
    try worker.declare([], areAll: true)
    #expect(try store.client.knownModels().models == [] && store.client.knownModels().isComplete)
    // What was loaded from elsewhere is named by its path.
    try worker.register(model("/else/where"), loaded: true, with: [])
    #expect(try store.client.knownModels().names == ["/else/where"])
  }

  /// A daemon that is alive counts before those that were, and each has its own.
  @Test(arguments: StoreKind.here)
  func eachDaemonHasItsOwn(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let (left, right) = (try store.worker("left"), try store.worker("right", pid: 11))
    try left.declare([model("fox"), model("owl", fault: "cut short")], areAll: true)
    #expect(try !store.client.knownModels().isComplete)
    try right.declare([model("owl")], areAll: true)
    for worker in [left, right] { try worker.beat() }
    let both = try store.client.knownModels()
    #expect(both.isComplete && both.models.map(\.workers) == [["left"], ["left", "right"]])
    // One of them can use it.
    #expect(both.models.map(\.fault) == [nil, nil])
    try left.signOff()
    try right.beat()
    #expect(try store.client.knownModels().models.map(\.name) == ["owl"])
    try right.signOff()
    #expect(try store.client.knownModels().models.map(\.name) == ["fox", "owl"])
    // An earlier one of the same name says nothing any more.
    _ = try store.worker("right", pid: 12)
    try right.declare([model("cat")], areAll: true)
    #expect(try store.client.knownModels()["cat"] == nil)
  }

  @Test(arguments: StoreKind.here)
  func whetherTheQueueHasWhatWasSaid(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    #expect(try !worker.hasDeclared(0, areAll: true))
    try worker.declare([model("fox"), model("owl")], areAll: true)
    #expect(try worker.hasDeclared(2, areAll: true))
    #expect(try !worker.hasDeclared(3, areAll: true) && !worker.hasDeclared(2, areAll: false))
    let again = try {
      try worker.signOff(); return try store.worker(pid: 12)
    }()
    #expect(try !again.hasDeclared(2, areAll: true))
  }

  @Test(arguments: StoreKind.here)
  func whatIsLackedIsSaidUntilItIsLoaded(kind: StoreKind) throws {
    let store = try TestStore(kind)
    let worker = try store.worker()
    try store.enqueue("a", model: "gone")
    try worker.lack("gone", reason: "not\nthere", #require(try worker.claim()).lease)
    let lacked = try store.client.lackedModels()
    #expect(lacked.map(\.worker) == ["w"] && lacked.map(\.model) == ["gone"])
    #expect(lacked.map(\.reason) == ["not\\nthere"])
    try worker.expect("gone")
    #expect(try store.client.lackedModels().count == 1)
    try worker.register(model("gone"), loaded: true, with: [])
    #expect(try store.client.lackedModels().isEmpty)
    // Whoever starts anew lacks nothing yet.
    try worker.lack("gone", reason: "again", #require(try worker.claim()).lease)
    #expect(try store.client.lackedModels().count == 1)
    try worker.signOff()
    _ = try store.worker(pid: 12)
    #expect(try store.client.lackedModels().isEmpty)
  }
}
