import Boundary
import Foundation
import Requests
import SharedFiles
import TestSupport
import Testing

/// The same as on the tests' own bucket, on moto's, which knows more of S3 than ours.
@Suite(.enabled(if: MotoServer.program != nil, Comment(rawValue: MotoServer.absence)))
struct MotoTests {
  @Test func filesAndTrees() throws {
    let moto = try MotoServer()
    let house = try PlaceHouse(.folder)
    func machine(_ name: String) throws -> SharedPlace {
      try SharedPlace(
        SharedAddress("s3://\(TestBucket.name)/team"), cache: house.folder.file(name),
        environment: moto.environment)
    }
    let (path, bytes) = try house.file("robot.safetensors", count: 3_000_000)
    let name = try machine("client").put(path, companions: false)
    // Another one changes nothing.
    #expect(try machine("client").put(path, companions: false) == name)
    #expect(try FileManager.default.contents(atPath: machine("node").local(name)).map { Array($0) } == bytes)
    // Half of it is there.
    try house.folder.write("other/parts/\(name.digest)", bytes[..<1_000_000])
    #expect(try FileManager.default.contents(atPath: machine("other").local(name)).map { Array($0) } == bytes)
    let config = try house.file("taesd/config.json", count: 100)
    let tree = try machine("client").put(house.folder.file("client/taesd"), companions: true)
    let found = try machine("node").local(tree) + "/config.json"
    #expect(FileManager.default.contents(atPath: found).map { Array($0) } == config.bytes)
    // What is not there, and what is other than it should be.
    let gone = try #require(SharedName(.file, digest: String(repeating: "ab", count: 32), path: "gone.png"))
    #expect(throws: SharedError.missing(name: "\(gone)", place: "s3://bucket/team")) {
      try machine("node").local(gone)
    }
    #expect(
      try moto.send(.put, "/\(TestBucket.name)/team/files/\(gone.digest)", body: [1, 2, 3]).head.status == 200
    )
    #expect(throws: SharedError.self) { try machine("node").local(gone) }
  }

  /// S3 takes parts of 5 MiB and more.
  @Test func anObjectInParts() throws {
    let moto = try MotoServer()
    let house = try PlaceHouse(.folder)
    func machine(_ name: String) throws -> SharedPlace {
      try SharedPlace(
        SharedAddress("s3://\(TestBucket.name)/team"), cache: house.folder.file(name),
        environment: moto.environment, parts: UploadParts(threshold: 6_000_000, usual: 5 << 20))
    }
    let (path, bytes) = try house.file("robot.safetensors", count: 12_000_000)
    let name = try machine("client").put(path, companions: false)
    #expect(try machine("client").put(path, companions: false) == name)
    #expect(try FileManager.default.contents(atPath: machine("node").local(name)).map { Array($0) } == bytes)
    let head = try moto.send(.head, "/\(TestBucket.name)/team/files/\(name.digest)").head
    #expect(head["etag"]?.hasSuffix("-3\"") == true)
    let open = try moto.send(.get, "/\(TestBucket.name)?uploads=").body
    #expect(!String(decoding: open, as: UTF8.self).contains("<UploadId>"))
  }
}
