import Foundation
import HTTP
import Requests
import SharedFiles
import Synchronization
import TestSupport
import Testing

/// Objects that go into a bucket in parts: whole or not at all, and no part stays behind.
@Suite struct UploadTests {
  private typealias Fault = TestBucket.Fault

  /// A house with a bucket into which more than 50,000 bytes go in parts of 30,000.
  private func house() throws -> PlaceHouse {
    let house = try PlaceHouse(.bucket)
    house.parts = UploadParts(threshold: 50_000, usual: 30_000)
    return house
  }

  private func open(_ house: PlaceHouse) -> Int { house.bucket.uploads.withLock { $0.count } }

  @Test(arguments: [
    (50_000, 1, 0), (50_001, 2, 2), (60_000, 2, 2), (60_001, 3, 2), (100_000, 4, 2),
  ])
  func aLargeObjectGoesInParts(count: Int, puts: Int, posts: Int) throws {
    let house = try house()
    let (path, bytes) = try house.file("robot.safetensors", count: count)
    let name = try house.machine("client").put(path, companions: false)
    #expect(house.objects == ["files/\(name.digest)": bytes] && open(house) == 0)
    #expect(house.bucket.count("PUT") == puts && house.bucket.count("POST") == posts)
    #expect(try FileManager.default.contents(atPath: house.machine().local(name)).map { Array($0) } == bytes)
    // What is there is not sent again.
    #expect(try house.machine("other").put(path, companions: false) == name)
    #expect(house.bucket.count("PUT") == puts && house.bucket.count("POST") == posts)
    #expect(house.bucket.count("DELETE") == 0)
  }

  /// A part is sent again alone; an answer that is lost, or that is wrong although it says that all is well, is no end.
  @Test(arguments: [
    [Fault.status(500)], [.right, .status(503), .lost, .right, .lost],
    [.right, .right, .right, .right, .right, .wrong("InternalError")],
    [.right, .right, .right, .right, .right, .wrong("SlowDown"), .status(409), .lost],
    [.right, .right, .right, .right, .right, .lost],
    [.right, .right, .right, .right, .right, .cut(after: 20)],
  ])
  func whatPassesIsTriedAgain(faults: [TestBucket.Fault]) throws {
    let house = try house()
    let (path, bytes) = try house.file("robot.safetensors", count: 100_000)
    house.bucket.faults.withLock { $0 = faults }
    let name = try house.machine("client").put(path, companions: false)
    #expect(house.objects == ["files/\(name.digest)": bytes])
    #expect(house.bucket.faults.withLock { $0.isEmpty } && open(house) == 0)
    #expect(house.bucket.count("DELETE") == 0)
  }

  /// What does not pass ends it, and frees the parts.
  @Test(arguments: [
    [Fault.right, .status(403)], [.right, .wrong("Odd")], [.right, .right, .right, .status(400)],
    [.right, .status(500), .status(500), .status(500)],
    [.right, .right, .right, .right, .right, .wrong("InvalidPart")],
    [.right, .right, .right, .right, .right, .wrong("SlowDown"), .wrong("SlowDown"), .wrong("SlowDown")],
    [.right, .right, .right, .right, .right, .status(501)],
  ])
  func whatDoesNotPassIsGivenUp(faults: [TestBucket.Fault]) throws {
    let house = try house()
    let (path, bytes) = try house.file("robot.safetensors", count: 100_000)
    house.bucket.faults.withLock { $0 = faults }
    let client = try house.machine("client", tries: 2)
    #expect(throws: SharedError.self) { try client.put(path, companions: false) }
    #expect(house.objects.isEmpty && open(house) == 0 && house.bucket.count("DELETE") == 1)
    // Giving up is tried again, too.
    house.bucket.faults.withLock { $0 = [.right, .status(403), .status(503)] }
    #expect(throws: SharedError.self) { try client.put(path, companions: false) }
    #expect(house.objects.isEmpty && open(house) == 0)
    let name = try client.put(path, companions: false)
    #expect(house.objects == ["files/\(name.digest)": bytes])
  }

  @Test func theServicesWordIsRepeated() throws {
    let house = try house()
    let (path, _) = try house.file("robot.safetensors", count: 60_000)
    house.bucket.faults.withLock { $0 = [.right, .right, .right, .wrong("EntityTooSmall")] }
    let error = #expect(throws: SharedError.self) {
      try house.machine("client").put(path, companions: false)
    }
    #expect(error.map { "\($0)".contains("EntityTooSmall") && !"\($0)".contains(TestBucket.key) } == true)
  }

  /// Somebody puts the same file meanwhile: it stays, and the parts go.
  @Test(arguments: [Fault.status(412), .wrong("PreconditionFailed"), .right])
  func somebodyIsQuicker(fault: TestBucket.Fault) throws {
    let house = try house()
    let (path, bytes) = try house.file("robot.safetensors", count: 60_000)
    house.bucket.faults.withLock { $0 = [.right, .right, .right, fault] }
    house.bucket.meanwhile.withLock { hook in
      hook = { [weak bucket = house.bucket] request in
        guard request.query["partNumber"] == "2" else { return }
        let key = String(request.path.dropFirst("/\(TestBucket.name)/".count))
        bucket?.objects.withLock { $0[key] = bytes }
      }
    }
    let name = try house.machine("client").put(path, companions: false)
    #expect(house.objects == ["files/\(name.digest)": bytes])
    #expect(open(house) == 0 && house.bucket.count("DELETE") == 1)
  }

  @Test func manyAtOnce() throws {
    let house = try house()
    let (path, bytes) = try house.file("robot.safetensors", count: 200_000)
    let clients = try (0..<6).map { try house.machine("client\($0)") }
    let names = Mutex<[SharedName]>([])
    DispatchQueue.concurrentPerform(iterations: clients.count) { index in
      guard let name = try? clients[index].put(path, companions: false) else { return }
      names.withLock { $0.append(name) }
    }
    let name = try #require(names.withLock { $0.first })
    #expect(names.withLock { $0.count } == clients.count)
    #expect(house.objects == ["files/\(name.digest)": bytes] && open(house) == 0)
  }

  /// Whoever ends it leaves no part, whatever is being sent.
  @Test(arguments: ["uploads", "2", "4", "complete"]) func whoEndsItLeavesNothing(moment: String) throws {
    let house = try house()
    let (path, bytes) = try house.file("robot.safetensors", count: 100_000)
    let client = try house.machine("client")
    house.bucket.meanwhile.withLock { hook in
      hook = { request in
        let query = request.query
        let isNow =
          switch moment {
          case "uploads": query["uploads"] != nil
          case "complete": request.method == "POST" && query["uploadId"] != nil
          default: query["partNumber"] == moment
          }
        if isNow { client.interrupt() }
      }
    }
    // What was asked for before may be done.
    let result = Result { try client.put(path, companions: false) }
    switch result {
    case .success: #expect(moment == "complete" && house.objects.count == 1)
    case .failure(let error): #expect(error as? SharedError == .stopped)
    }
    // The answer with the upload's name may not have been read: the bucket's lifecycle has it.
    if moment != "uploads" { #expect(open(house) == 0) }
    house.bucket.meanwhile.withLock { $0 = nil }
    let name = try house.machine("other").put(path, companions: false)
    #expect(house.objects == ["files/\(name.digest)": bytes])
  }

  /// Bytes that were hashed are those that are sent, or there is no object.
  @Test(arguments: [100_000, 70_000, 50_000]) func aFileThatChangesMeanwhile(count: Int) throws {
    let house = try house()
    let (path, _) = try house.file("robot.safetensors", count: 100_000)
    house.bucket.meanwhile.withLock { hook in
      hook = { request in
        guard request.query["partNumber"] == "1" else { return }
        let file = FileHandle(forUpdatingAtPath: path)
        try? file?.write(contentsOf: Data(repeating: 3, count: count))
        try? file?.truncate(atOffset: UInt64(count))
      }
    }
    let error = #expect(throws: SharedError.self) {
      try house.machine("client").put(path, companions: false)
    }
    guard case .file(path, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(house.objects.isEmpty && open(house) == 0)
  }

  /// At most 10,000 parts of at most 5 GiB, as S3 has it.
  @Test(arguments: [
    (5 << 30 + 1, 64 << 20), (625 << 30, 64 << 20), (625 << 30 + 1, 67_108_865), (5 << 40, 549_755_814),
    (50_000 << 30, 5 << 30),
  ])
  func partsAreFewAndNotTooLarge(count: Int, size: Int) {
    let found = UploadParts().size(of: count)
    #expect(found == size && (count + size - 1) / size <= 10_000)
    #expect(UploadParts().size(of: 50_000 << 30 + 1) == nil)
  }
}
