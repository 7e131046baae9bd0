import Boundary
import Foundation
import Requests
import SharedFiles
import Synchronization
import TestSupport
import Testing

/// Names that persons give to what lies in a place.
@Suite struct AliasTests {
  private func alias(_ name: String) throws -> SharedAlias { try #require(SharedAlias(name: name)) }

  private func put(_ text: String, under name: String, in house: PlaceHouse) throws {
    switch house.kind {
    case .bucket: house.bucket.objects.withLock { $0["team/a/names/\(name)"] = Array(text.utf8) }
    case .folder: try house.folder.write("place/names/\(name)", text)
    }
  }

  @Test(arguments: PlaceHouse.Kind.allCases) func aNameStaysWhatItIs(kind: PlaceHouse.Kind) throws {
    let house = try PlaceHouse(kind)
    _ = try house.file("demo/model_index.json", count: 100)
    let client = try house.machine("client")
    let target = try client.put(house.folder.file("client/demo"), companions: true)
    try client.give(alias("demo"), to: target)
    // Again it is no error.
    try house.machine("other").give(alias("demo"), to: target)
    let node = try house.machine()
    #expect(try node.target(of: alias("demo")) == target)
    #expect(try FileManager.default.fileExists(atPath: node.local(target) + "/model_index.json"))
    let (path, _) = try house.file("cat.png")
    let other = try client.put(path, companions: false)
    #expect(
      throws: SharedError.taken(
        alias: try alias("demo"), place: client.description, by: target, wanted: other)
    ) { try client.give(alias("demo"), to: other) }
    #expect(try node.target(of: alias("demo")) == target)
    #expect(throws: SharedError.unnamed(alias: try alias("Demo"), place: node.description)) {
      try node.target(of: alias("Demo"))
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: house.folder.file("node/parts")) == [])
  }

  /// Of many who give one name to different things at once, one is right, and all know it.
  @Test(arguments: PlaceHouse.Kind.allCases) func manyAtOnce(kind: PlaceHouse.Kind) throws {
    let house = try PlaceHouse(kind)
    let name = try alias("demo")
    let targets = try (1...6).map { number in
      let digest = String(repeating: "\(number)a", count: 32)
      return try #require(
        SharedName(.file, digest: digest, path: String(repeating: "x", count: number) + ".png"))
    }
    let clients = try targets.indices.map { try house.machine("client\($0)") }
    let winners = Mutex<[SharedName]>([])
    let others = Mutex(0)
    DispatchQueue.concurrentPerform(iterations: clients.count) { index in
      do {
        try clients[index].give(name, to: targets[index])
        winners.withLock { $0.append(targets[index]) }
      } catch SharedError.taken {
        others.withLock { $0 += 1 }
      } catch {
        Issue.record("\(error)")
      }
    }
    #expect(winners.withLock { $0.count } == 1 && others.withLock { $0 } == clients.count - 1)
    #expect(try house.machine().target(of: name) == winners.withLock { $0.first })
  }

  /// What a stranger wrote leads nowhere.
  @Test(arguments: [
    "", "\n", "demo\n", "/etc/passwd\n", "tree:DIGEST/../x\n", "tree:DIGEST/x", "tree:DIGEST/x\n\n",
    "tree:DIGEST/x\ntree:DIGEST/y\n", "shared:demo\n", " tree:DIGEST/x\n", "tree:DIGEST/a\u{1B}[2J\n",
    String(repeating: "x", count: 5000),
  ])
  func aStrangersName(text: String) throws {
    for kind in PlaceHouse.Kind.allCases {
      let house = try PlaceHouse(kind)
      let text = text.replacing("DIGEST", with: String(repeating: "ab", count: 32))
      try put(text, under: "demo", in: house)
      let node = try house.machine()
      let error = #expect(throws: SharedError.self) { try node.target(of: alias("demo")) }
      #expect(error?.exit == .badInput, "\(String(describing: error))")
      #expect(try FileManager.default.contentsOfDirectory(atPath: house.folder.file("node/parts")) == [])
    }
  }
}
