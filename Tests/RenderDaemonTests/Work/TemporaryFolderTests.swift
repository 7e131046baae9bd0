import Foundation
import GRDB
import JobStore
import Testing

/// The folder that SQLite writes temporary files to is full.
@Suite(.serialized) struct TemporaryFolderTests {
  /// A file system of its own without room; nil where this user may not mount.
  private final class FullFolder {
    let path = NSTemporaryDirectory() + "segmoe-full-\(UUID().uuidString)"

    init?() throws {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
      guard mount("none", path, "tmpfs", 0, "size=16k,mode=1777") == 0 else {
        rmdir(path)
        print("TemporaryFolderTests: mounting is not allowed here; not tested")
        return nil
      }
      let descriptor = open(path + "/filler", O_WRONLY | O_CREAT, 0o600)
      let block = [UInt8](repeating: 0, count: 4096)
      while write(descriptor, block, block.count) > 0 {}
      close(descriptor)
    }

    deinit {
      umount2(path, Int32(MNT_DETACH))
      rmdir(path)
    }

    var environment: [String: String] { ["SQLITE_TMPDIR": path] }
  }

  /// A daemon upgrades no queue there, and says where it found no room; one that runs does not need it.
  @Test(.enabled(if: geteuid() == 0)) func aDaemonRendersWithoutIt() throws {
    guard let full = try FullFolder() else { return }
    let house = try DaemonHouse()
    // More than SQLite sorts in its cache.
    let prompt = String(repeating: "a very long prompt ", count: 500)
    for _ in 0..<3 {
      _ = try house.client.enqueue(
        BatchRequest(),
        requests: (0..<400).map { number in
          var request = JobRequest(.init(model: "gone"))
          request.render.prompt = "\(number) \(prompt)"
          request.priority = number % 7
          return request
        })
    }
    let id = try house.enqueue()
    let daemon = try RealDaemon(house, environment: full.environment)
    try house.wait { try house.job(id).state == .done }
    #expect(daemon.stop() == 0, "\(daemon.account)")
    #expect(!daemon.words.contains("full"), "\(daemon.words)")
  }

  /// A client that enqueues more than it keeps in memory names the folder, and what helps; nothing is half enqueued.
  @Test(.enabled(if: geteuid() == 0)) func aClientNamesIt() throws {
    guard let full = try FullFolder() else { return }
    let house = try DaemonHouse()
    let file = house.models + "/prompts.txt"
    let line = String(repeating: "a very long prompt ", count: 100)
    try (0..<5000).map { "\($0) \(line)" }.joined(separator: "\n").write(
      toFile: file, atomically: true, encoding: .utf8)
    let arguments = ["enqueue", "--model", "tiny", "--file", file]
    let refused = try RealClient.run(house, arguments, environment: full.environment)
    #expect(refused.answer == nil)
    #expect(
      refused.error.contains("\(full.path), where SQLite writes temporary files")
        && refused.error.contains("SQLITE_TMPDIR"), "\(refused.error)")
    #expect(try house.client.status().counts.total == 0)
    #expect(try RealClient.run(house, arguments).answer != nil)
    #expect(try house.client.status().counts.total == 5000)
  }
}
