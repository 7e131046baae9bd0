import Foundation
import HTTP
import Requests
import SharedFiles
import TestSupport

/// A shared place of one of the two kinds, and machines that use it.
final class PlaceHouse {
  enum Kind: String, CaseIterable, Sendable {
    case folder, bucket
  }

  let folder: TemporaryFolder
  let bucket: TestBucket
  let kind: Kind
  /// What goes into a bucket in parts.
  var parts = UploadParts()

  init(_ kind: Kind) throws {
    self.kind = kind
    folder = try TemporaryFolder("place", "client")
    bucket = try TestBucket()
  }

  /// The place as a machine knows it, with a cache of its own.
  func machine(_ name: String = "node", tries: Int = 3) throws -> SharedPlace {
    let address = try SharedAddress(kind == .folder ? folder.file("place") : "s3://\(TestBucket.name)/team/a")
    return try SharedPlace(
      address, cache: folder.file(name), environment: bucket.environment,
      pace: RetryPace(delays: Array(repeating: 0, count: tries)), parts: parts)
  }

  /// What the place has, by keys such as `files/…`.
  var objects: [String: [UInt8]] {
    switch kind {
    case .bucket:
      return bucket.objects.withLock { objects in
        Dictionary(
          uniqueKeysWithValues: objects.map { (String($0.key.dropFirst("team/a/".count)), $0.value) })
      }
    case .folder:
      let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.file("place/files"))) ?? []
      return Dictionary(uniqueKeysWithValues: names.map { ("files/\($0)", bytes("place/files/\($0)")) })
    }
  }

  /// Puts other bytes under a key, as a stranger could.
  func replace(_ key: String, by bytes: [UInt8]?) throws {
    switch kind {
    case .bucket: bucket.objects.withLock { $0["team/a/\(key)"] = bytes }
    case .folder:
      let path = folder.file("place/\(key)")
      try FileManager.default.removeItem(atPath: path)
      if let bytes { try Data(bytes).write(to: URL(fileURLWithPath: path)) }
    }
  }

  func bytes(_ name: String) -> [UInt8] {
    FileManager.default.contents(atPath: folder.file(name)).map { Array($0) } ?? []
  }

  /// A file of the client's, of bytes that follow from its name.
  func file(_ name: String, count: Int = 100_000) throws -> (path: String, bytes: [UInt8]) {
    var random = RandomNumbers(seed: name.utf8.reduce(7) { $0 &* 31 &+ UInt64($1) })
    let bytes = random.bytes(count)
    return (try folder.write("client/\(name)", bytes), bytes)
  }

  /// Whether a machine's cache has a whole file of that digest.
  func hasCached(_ digest: String, _ name: String = "node") -> Bool {
    let found = try? FileManager.default.contentsOfDirectory(atPath: folder.file("\(name)/files/\(digest)"))
    return found?.isEmpty == false
  }
}
