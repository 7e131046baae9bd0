import Boundary
import Foundation
import Requests
import SharedFiles
import TestSupport
import Testing

/// A place in which a stranger has written: nothing of it is used, and nothing outside the cache is written.
@Suite struct HostilePlaceTests {
  @Test(arguments: PlaceHouse.Kind.allCases, [0, 50_000, 100_000, 200_000])
  func otherBytesAreNeverUsed(kind: PlaceHouse.Kind, count: Int) throws {
    let house = try PlaceHouse(kind)
    let (path, bytes) = try house.file("robot.safetensors", count: 100_000)
    let name = try house.machine("client").put(path, companions: false)
    try house.replace("files/\(name.digest)", by: Array(repeating: 3, count: count))
    let error = #expect(throws: SharedError.self) { try house.machine().local(name) }
    guard case .damaged = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(!house.hasCached(name.digest))
    #expect(try FileManager.default.contentsOfDirectory(atPath: house.folder.file("node/parts")) == [])
    // Mended, it is had.
    try house.replace("files/\(name.digest)", by: bytes)
    #expect(try FileManager.default.contents(atPath: house.machine().local(name)).map { Array($0) } == bytes)
  }

  /// Whoever puts a file notices that something else lies there, if its size tells.
  @Test(arguments: PlaceHouse.Kind.allCases) func aFileOfAnotherSizeIsNoticed(kind: PlaceHouse.Kind) throws {
    let house = try PlaceHouse(kind)
    let (path, _) = try house.file("cat.png")
    let client = try house.machine("client")
    let name = try client.put(path, companions: false)
    try house.replace("files/\(name.digest)", by: [1, 2, 3])
    let error = #expect(throws: SharedError.self) { try client.put(path, companions: false) }
    guard case .damaged = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  @Test(arguments: PlaceHouse.Kind.allCases) func moreThanIsAllowedIsNotBegun(kind: PlaceHouse.Kind) throws {
    let house = try PlaceHouse(kind)
    let (path, bytes) = try house.file("robot.safetensors")
    let name = try house.machine("client").put(path, companions: false)
    #expect(throws: SharedError.tooLarge(name: "\(name)", bytes: bytes.count, most: 99_999)) {
      try house.machine().local(name, most: 99_999)
    }
    #expect(try house.machine().local(name, most: bytes.count).hasSuffix("robot.safetensors"))
  }

  /// A link or a pipe in a folder is nothing.
  @Test(arguments: ["link", "pipe", "folder"]) func whatIsNoFile(what: String) throws {
    let house = try PlaceHouse(.folder)
    let (path, _) = try house.file("cat.png")
    let name = try house.machine("client").put(path, companions: false)
    let object = house.folder.file("place/files/\(name.digest)")
    try FileManager.default.removeItem(atPath: object)
    switch what {
    case "link": try FileManager.default.createSymbolicLink(atPath: object, withDestinationPath: path)
    case "pipe": #expect(mkfifo(object, 0o600) == 0)
    default: try FileManager.default.createDirectory(atPath: object, withIntermediateDirectories: false)
    }
    #expect(throws: SharedError.self) { try house.machine().local(name) }
    #expect(!house.hasCached(name.digest))
  }

  /// Listings that lead out of the tree, that say the same twice, that are none.
  @Test(arguments: [
    "DIGEST  4  ../../stranger", "DIGEST  4  /etc/stranger", "DIGEST  4  a/../../stranger", "DIGEST  4  ",
    "DIGEST  4  a\nDIGEST  4  a", "DIGEST  4  a\nDIGEST  4  a/b", "DIGEST  -4  a",
    "DIGEST  99999999999999999999  a",
    "DIGEST  9223372036854775807  a\nDIGEST  9223372036854775807  b", "../../x  4  a", "DIGEST 4 a",
    "a  4  DIGEST",
    "DIGEST  4  ../\u{301}stranger", "DIGEST  4  \u{600}/../../\u{301}stranger", "DIGEST  4  .",
    "DIGEST  4  a\u{1B}b",
    "DIGEST  4  \(Array(repeating: "d", count: 60).joined(separator: "/"))",
  ])
  func aListingThatIsWrong(lines: String) throws {
    for kind in PlaceHouse.Kind.allCases {
      let house = try PlaceHouse(kind)
      let client = try house.machine("client")
      let digest = Digest.hexadecimal(of: Array("four".utf8))
      try client.put(Array("four".utf8), digest: digest, called: "a file")
      let text = Array("segmoe-tree 1\n\(lines.replacing("DIGEST", with: digest))\n".utf8)
      try client.put(text, digest: Digest.hexadecimal(of: text), called: "a listing")
      let name = try #require(SharedName(.tree, digest: Digest.hexadecimal(of: text), path: "a"))
      #expect(throws: SharedError.self) { try house.machine().local(name) }
      let all = FileManager.default.enumerator(atPath: house.folder.path)?.allObjects as? [String]
      #expect(all?.contains { $0.contains("stranger") } == false)
      #expect(!FileManager.default.fileExists(atPath: house.folder.file("node/trees/\(name.digest)")))
    }
  }

  @Test func aPathThatATreeDoesNotHave() throws {
    let house = try PlaceHouse(.folder)
    _ = try house.file("words/a.safetensors")
    let name = try house.machine("client").put(house.folder.file("client/words"), companions: true)
    let other = try #require(SharedName(.tree, digest: name.digest, path: "words/b.safetensors"))
    #expect(throws: SharedError.self) { try house.machine().local(other) }
  }

  /// A cache whose files somebody replaced by links is not followed out of it.
  @Test func aLinkInTheCacheIsNoFile() throws {
    let house = try PlaceHouse(.folder)
    let (path, bytes) = try house.file("cat.png")
    let name = try house.machine("client").put(path, companions: false)
    let secret = try house.folder.write("secret", "hush")
    let place = house.folder.file("node/files/\(name.digest)")
    try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(atPath: place + "/cat.png", withDestinationPath: secret)
    let found = try house.machine().local(name)
    #expect(house.bytes("node/files/\(name.digest)/cat.png") == bytes)
    #expect(found == place + "/cat.png" && house.bytes("secret") == Array("hush".utf8))
  }
}
