import Boundary
import Foundation
import Requests
import SharedFiles
import Synchronization
import TestSupport
import Testing

/// What one machine puts into a shared place, another has by its name.
@Suite struct SharedPlaceTests {
  @Test(arguments: PlaceHouse.Kind.allCases, [0, 1, 100_000, 3_000_000])
  func aFileIsHadByItsDigest(kind: PlaceHouse.Kind, count: Int) throws {
    let house = try PlaceHouse(kind)
    let (path, bytes) = try house.file("robot.safetensors", count: count)
    let name = try house.machine("client").put(path, companions: true)
    #expect("\(name)" == "sha256:\(Digest.hexadecimal(of: bytes))/robot.safetensors")
    #expect(house.objects == ["files/\(name.digest)": bytes])
    let node = try house.machine()
    let found = try node.local(name)
    #expect(found == house.folder.file("node/files/\(name.digest)/robot.safetensors"))
    #expect(FileManager.default.contents(atPath: found).map { Array($0) } == bytes)
    // From then on the cache has it, whatever becomes of the place.
    try house.replace("files/\(name.digest)", by: nil)
    #expect(try node.local(name) == found)
    let other = try #require(SharedName(.file, digest: name.digest, path: "other.safetensors"))
    #expect(try FileManager.default.contents(atPath: node.local(other)).map { Array($0) } == bytes)
  }

  @Test(arguments: PlaceHouse.Kind.allCases) func whatIsThereIsNotSentAgain(kind: PlaceHouse.Kind) throws {
    let house = try PlaceHouse(kind)
    let (path, bytes) = try house.file("cat.png")
    let first = try house.machine("a").put(path, companions: false)
    #expect(try house.machine("b").put(path, companions: false) == first)
    try house.machine("c").put(bytes, digest: first.digest, called: "a picture")
    #expect(house.objects == ["files/\(first.digest)": bytes])
    if kind == .bucket { #expect(house.bucket.count("PUT") == 1) }
  }

  @Test(arguments: PlaceHouse.Kind.allCases) func aFolderIsHadAsAWhole(kind: PlaceHouse.Kind) throws {
    let house = try PlaceHouse(kind)
    let weights = try house.file("taesd/diffusion_pytorch_model.safetensors")
    let config = try house.file("taesd/deep/er/config.json", count: 10)
    _ = try house.file("taesd/.cache/secret", count: 10)
    let name = try house.machine("client").put(house.folder.file("client/taesd"), companions: true)
    #expect(name.kind == .tree && name.path == "taesd")
    let found = try house.machine().local(name)
    #expect(found == house.folder.file("node/trees/\(name.digest)/taesd"))
    #expect(
      house.bytes("node/trees/\(name.digest)/taesd/diffusion_pytorch_model.safetensors") == weights.bytes)
    #expect(house.bytes("node/trees/\(name.digest)/taesd/deep/er/config.json") == config.bytes)
    #expect(
      try FileManager.default.contentsOfDirectory(atPath: found).sorted() == [
        "deep", "diffusion_pytorch_model.safetensors",
      ])
    // The same content has the same name.
    #expect(try house.machine("b").put(house.folder.file("client/taesd"), companions: true) == name)
    _ = try house.file("taesd/deep/er/config.json", count: 11)
    #expect(try house.machine("b").put(house.folder.file("client/taesd"), companions: true) != name)
  }

  /// A file's settings change the picture: they come along.
  @Test(arguments: [
    ("adapter_model.safetensors", "adapter_config.json"), ("model.gguf", "model.config/unet/config.json"),
    ("diffusion_pytorch_model.safetensors", "config.json"),
  ])
  func whatBelongsToAFileComesAlong(file: String, beside: String) throws {
    let house = try PlaceHouse(.folder)
    let (path, bytes) = try house.file("x/\(file)")
    let settings = try house.file("x/\(beside)", count: 20)
    _ = try house.file("x/unrelated.txt", count: 20)
    let name = try house.machine("client").put(path, companions: true)
    #expect(name.kind == .tree && name.path == file)
    let found = try house.machine().local(name)
    #expect(FileManager.default.contents(atPath: found).map { Array($0) } == bytes)
    let folder = URL(fileURLWithPath: found).deletingLastPathComponent().path
    #expect(FileManager.default.contents(atPath: "\(folder)/\(beside)").map { Array($0) } == settings.bytes)
    #expect(!FileManager.default.fileExists(atPath: "\(folder)/unrelated.txt"))
    #expect(try house.machine("client").put(path, companions: false).kind == .file)
  }

  /// Two programs of one machine that want the same file fetch it once; two machines put the same file at once.
  @Test(arguments: PlaceHouse.Kind.allCases) func manyAtOnce(kind: PlaceHouse.Kind) throws {
    let house = try PlaceHouse(kind)
    let (path, bytes) = try house.file("robot.safetensors", count: 2_000_000)
    let clients = try (0..<6).map { try house.machine("client\($0)") }
    let names = Mutex<[SharedName]>([])
    DispatchQueue.concurrentPerform(iterations: clients.count) { index in
      guard let name = try? clients[index].put(path, companions: false) else { return }
      names.withLock { $0.append(name) }
    }
    let name = try #require(names.withLock { $0.first })
    #expect(names.withLock { $0 } == Array(repeating: name, count: clients.count))
    #expect(house.objects == ["files/\(name.digest)": bytes])
    let programs = try (0..<6).map { _ in try house.machine() }
    let right = Mutex(0)
    DispatchQueue.concurrentPerform(iterations: programs.count) { index in
      guard let found = try? programs[index].local(name),
        FileManager.default.contents(atPath: found).map({ Array($0) }) == bytes
      else { return }
      right.withLock { $0 += 1 }
    }
    #expect(right.withLock { $0 } == programs.count)
    if kind == .bucket { #expect(house.bucket.count("GET") == 1) }
  }

  /// What a program that was killed left is gone on with, or done anew if it is wrong.
  @Test(
    arguments: PlaceHouse.Kind.allCases, [0, 1, 40_000, 100_000, 100_001, -1, -40_000, -100_000, -100_001])
  func whatAKilledOneLeft(kind: PlaceHouse.Kind, bytesLeft: Int) throws {
    // Below zero: other bytes than those of the file.
    let (count, isRight) = (abs(bytesLeft), bytesLeft >= 0)
    let house = try PlaceHouse(kind)
    let (path, bytes) = try house.file("robot.safetensors", count: 100_000)
    let name = try house.machine("client").put(path, companions: false)
    let start = isRight ? Array(bytes.prefix(count)) : []
    let left = start + Array(repeating: 9, count: count - start.count)
    try house.folder.write("node/parts/\(name.digest)", left)
    try house.folder.write("node/locks/\(name.digest)", "")
    let found = try house.machine().local(name)
    #expect(FileManager.default.contents(atPath: found).map { Array($0) } == bytes)
    if kind == .bucket, count == 40_000 {
      let ranges = house.bucket.requests.withLock { $0.compactMap { $0.headers["range"] } }
      #expect(ranges == ["bytes=40000-"])
      #expect(house.bucket.count("GET") == (isRight ? 1 : 2))
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: house.folder.file("node/parts")) == [])
  }

  @Test func aKilledOneLeavesHalfATree() throws {
    let house = try PlaceHouse(.folder)
    let file = try house.file("words/a.safetensors")
    let name = try house.machine("client").put(house.folder.file("client/words"), companions: true)
    try house.folder.write("node/trees/.\(name.digest).part/words/a.safetensors", "half of it")
    try house.folder.write("node/trees/.\(name.digest).part/words/stranger", "x")
    let found = try house.machine().local(name)
    #expect(FileManager.default.contents(atPath: found + "/a.safetensors").map { Array($0) } == file.bytes)
    #expect(try FileManager.default.contentsOfDirectory(atPath: found) == ["a.safetensors"])
  }

  @Test(arguments: PlaceHouse.Kind.allCases) func whatIsNotThereIsNamed(kind: PlaceHouse.Kind) throws {
    let house = try PlaceHouse(kind)
    let name = try #require(SharedName(.file, digest: String(repeating: "ab", count: 32), path: "gone.png"))
    let node = try house.machine()
    #expect(throws: SharedError.missing(name: "\(name)", place: node.description)) { try node.local(name) }
    for path in [house.folder.file("client/none.png"), "/dev/zero"] {
      let error = #expect(throws: SharedError.self) { try node.put(path, companions: false) }
      guard case .file(path, _) = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
  }

  /// A disk that is not mounted is no empty place.
  @Test func aFolderThatIsNotThere() throws {
    let house = try PlaceHouse(.folder)
    let (path, bytes) = try house.file("cat.png")
    let client = try house.machine("client")
    let name = try client.put(path, companions: false)
    try FileManager.default.removeItem(atPath: house.folder.file("place"))
    for body in [
      { _ = try client.put(path, companions: false) }, { _ = try house.machine().local(name) },
      { try client.put(bytes, digest: name.digest, called: "x") },
    ] {
      let error = #expect(throws: SharedError.self) { try body() }
      guard case .unreachable = error else {
        Issue.record("\(String(describing: error))")
        continue
      }
    }
    #expect(!FileManager.default.fileExists(atPath: house.folder.file("place")))
  }
}
