import Boundary
import Checkpoints
import Foundation
import Images
import JobStore
import Logging
import RenderDaemon
import Testing

/// No file of another job is ever replaced or removed.
@Suite struct OverwriteTests {
  /// Whose digest a row says.
  private static func digest(_ bytes: Data) -> String {
    var digest = Digest()
    digest.add([UInt8](bytes))
    return digest.hexadecimal()
  }

  private func render(_ house: DaemonHouse, into output: String) throws {
    var settings = house.settings()
    settings.output = output
    var log = Logger(label: "test")
    log.logLevel = .critical
    try Worker(settings, log: log).run()
  }

  /// A new queue begins with batch 1, job 1 again.
  @Test func aNewQueueOverAnOldFolderReplacesNothing() throws {
    let output = try DaemonHouse()
    var kept: [String: Data] = [:]
    // The same request twice: even the same bytes are another job's.
    for (number, prompt) in ["a red fox", "a red fox", "a blue fox"].enumerated() {
      let house = try DaemonHouse()
      let id = try house.enqueue(prompt) { $0.count = 2 }
      try render(house, into: output.output)
      for image in try house.client.details(job: id).images {
        let copy = number == 0 ? "" : "-\(number + 1)"
        #expect(image.path == "\(output.output)/1/1-\(image.index)\(copy).png")
        kept[image.path] = try Data(contentsOf: URL(fileURLWithPath: image.path))
        #expect(kept[image.path].map(Self.digest) == image.digest)
      }
      for (path, bytes) in kept { #expect(FileManager.default.contents(atPath: path) == bytes) }
    }
    #expect(kept.count == 6 && output.files().count == 6)
  }

  /// Whatever has the name: nothing is written through a link.
  @Test func whatIsNoPictureIsNotReplacedEither() throws {
    let house = try DaemonHouse()
    let files = FileManager.default
    try files.createDirectory(atPath: house.output + "/1/1-0.png", withIntermediateDirectories: true)
    try files.createSymbolicLink(
      atPath: house.output + "/1/1-0-2.png", withDestinationPath: house.folder + "/nowhere")
    let id = try house.enqueue()
    try house.worker().run()
    let image = try #require(house.client.details(job: id).images.first)
    #expect(image.path == house.output + "/1/1-0-3.png")
    #expect(!files.fileExists(atPath: house.folder + "/nowhere"))
  }

  /// Nobody wants the pictures of a cancelled job, and its row names a file that is not, or not any more, this job's.
  @Test(arguments: [
    ("1-0.png", true), ("1-0-2.png", true), ("1-0.png", false), ("1-0-1.png", true), ("1-0-02.png", true),
    ("1-00.png", true), ("1-0-2.txt", true), ("1-0.png/../2-0.png", true), ("1-0-x.png", true),
    ("1-0.png.png", true),
    ("1-0--2.png", true),
  ])
  func onlyAJobsOwnLeftoversAreRemoved(name: String, isRight: Bool) throws {
    let house = try DaemonHouse()
    try FileManager.default.createDirectory(atPath: house.output + "/1", withIntermediateDirectories: true)
    let bytes = Data("a picture".utf8)
    let path = house.output + "/1/" + name
    try? bytes.write(to: URL(fileURLWithPath: house.output + "/1/2-0.png"))
    try? bytes.write(to: URL(fileURLWithPath: path))
    let id = try house.enqueue()
    let mallory = try house.session("mallory")
    let claimed = try #require(try mallory.claim())
    let image = ImageRecord(
      index: 0, path: path, seed: 0, width: 8, height: 8,
      digest: isRight ? Self.digest(bytes) : String(repeating: "a", count: 64), bytes: Int64(bytes.count),
      seconds: 1)
    try mallory.announce(image, step: 1, modelDigest: "x", claimed.lease)
    _ = try house.client.cancel(job: id, discard: true)
    try mallory.cancelled(claimed.lease)
    try house.worker().run()
    // The row is gone, and is in nobody's way.
    #expect(try house.client.checkpoint(job: id, index: 0) == nil)
    let isOwn = isRight && ["1-0.png", "1-0-2.png"].contains(name)
    #expect(FileManager.default.fileExists(atPath: house.output + "/1/2-0.png"))
    #expect(name.contains("/") || FileManager.default.fileExists(atPath: path) != isOwn)
  }
}
