import Boundary
import Checkpoints
import Foundation
import GRDB
import Images
import JobStore
import RenderDaemon
import Requests
import TestSupport
import Testing

/// Whoever may write the queue's rows may not write a resume state that the daemon takes up.
@Suite struct SealingTests {
  /// Where a private folder may be made.
  private struct Place: Sendable {
    private let around: TemporaryFolder

    init() throws { around = try TemporaryFolder() }

    var folder: String { around.file("private") }
    var key: String { folder + "/resume.key" }
  }

  @Test func theKeyIsMadeOnceAndIsTheDaemonsAlone() throws {
    let place = try Place()
    let key = try PrivateFolder(path: place.folder).sealingKey()
    #expect(try PrivateFolder(path: place.folder).sealingKey().bytes == key.bytes)
    var status = stat()
    #expect(stat(place.folder, &status) == 0 && status.st_mode & 0o777 == 0o700)
    #expect(stat(place.key, &status) == 0 && status.st_mode & 0o777 == 0o600)
    #expect(try FileManager.default.contentsOfDirectory(atPath: place.folder) == ["resume.key"])
    let other = try Place()
    defer { withExtendedLifetime((place, other)) {} }
    #expect(try PrivateFolder(path: other.folder).sealingKey().bytes != key.bytes)
    // Computed with Python's hmac.
    let known = try #require(SealingKey(bytes: [UInt8](0..<32)))
    let hexadecimal = known.seal(of: Array("what do ya want for nothing?".utf8)).map { byte in
      (byte < 16 ? "0" : "") + String(byte, radix: 16)
    }
    #expect(hexadecimal.joined() == "099805f4ac310786968565c098db515cc50862b420ae31e20238312344bed36a")
  }

  @Test func daemonsThatStartAtOnceShareOneKey() throws {
    let place = try Place()
    let results = Results()
    DispatchQueue.concurrentPerform(iterations: 16) { _ in
      results.add(try? PrivateFolder(path: place.folder).sealingKey().bytes)
    }
    #expect(results.all.count == 16 && Set(results.all).count == 1 && results.all[0] != nil)
  }

  private final class Results: @unchecked Sendable {
    // Unchecked: `all` is touched only with `lock` held, or after all threads are done.
    private let lock = NSLock()
    private(set) var all: [[UInt8]?] = []

    func add(_ bytes: [UInt8]?) { lock.withLock { all.append(bytes) } }
  }

  @Test(arguments: [
    "open folder", "open key", "short key", "link to a folder", "link to a key", "folder as key",
    "pipe as key", "no folder",
  ])
  func aKeyThatOthersCanReadOrWriteIsNotUsed(kind: String) throws {
    let (place, other) = (try Place(), try Place())
    _ = try PrivateFolder(path: place.folder).sealingKey()
    _ = try PrivateFolder(path: other.folder).sealingKey()
    let files = FileManager.default
    switch kind {
    case "open folder": chmod(place.folder, 0o770)
    case "open key": chmod(place.key, 0o640)
    case "short key": try Data("short".utf8).write(to: URL(fileURLWithPath: place.key))
    case "link to a folder":
      try files.removeItem(atPath: place.folder)
      try files.createSymbolicLink(atPath: place.folder, withDestinationPath: other.folder)
    case "link to a key":
      try files.removeItem(atPath: place.key)
      try files.createSymbolicLink(atPath: place.key, withDestinationPath: other.key)
    case "folder as key":
      try files.removeItem(atPath: place.key)
      mkdir(place.key, 0o700)
    case "pipe as key":
      try files.removeItem(atPath: place.key)
      mkfifo(place.key, 0o600)
    default:
      try files.removeItem(atPath: place.folder)
      try Data().write(to: URL(fileURLWithPath: place.folder))
    }
    let problem = #expect(throws: PrivateFolder.Problem.self) {
      try PrivateFolder(path: place.folder).sealingKey()
    }
    #expect(problem?.description.contains(place.folder) == true)
  }

  @Test(.enabled(if: geteuid() == 0)) func aKeyOfAnotherUserIsNotUsed() throws {
    for path in [\Place.folder, \Place.key] {
      let place = try Place()
      _ = try PrivateFolder(path: place.folder).sealingKey()
      #expect(chown(place[keyPath: path], 12345, 12345) == 0)
      #expect(throws: PrivateFolder.Problem.self) { try PrivateFolder(path: place.folder).sealingKey() }
    }
  }

  /// A job is put down half done, somebody puts another state into its row, and it is taken up again.
  @Test(
    .enabled(if: FaultLibrary.isThere), arguments: ["SHA-256", "another key", "another job's", "cut", "none"])
  func aForgedStateIsIgnoredAndSaid(forgery: String) throws {
    let house = try DaemonHouse()
    func enqueue(_ prompt: String) throws -> Int64 {
      try house.enqueue(prompt, attempts: 9) {
        $0.steps = 200
        $0.scheduler = .lms
      }
    }
    /// Renders a few steps of a job and gives its state.
    func begin(_ id: Int64) throws -> [UInt8] {
      let daemon = try RealDaemon(house, checkpointSteps: 1000, faults: [RealDaemon.beforeEachReport])
      let stands = try daemon.goOn { try house.client.details(job: id).summary.step >= 3 }
      try #require(stands, "\(daemon.account)")
      daemon.askToStop()
      #expect(daemon.goOnToTheEnd() == 0, "\(daemon.account)")
      guard case .step(_, let state, _) = try house.client.checkpoint(job: id, index: 0) else { return [] }
      return [UInt8](state)
    }
    let wanted = try enqueue("a red fox")
    try house.worker().run()
    let other = forgery == "another job's" ? try begin(enqueue("a blue fox")) : []
    if !other.isEmpty { try house.worker().run() }
    let id = try enqueue("a red fox")
    let state = try begin(id)
    try #require(state.count > 1000)
    let content = Array(state.dropLast(SealingKey.length))
    var digest = Digest()
    digest.add(content)
    let forged: [UInt8] =
      switch forgery {
      case "SHA-256": content + Array(digest.hexadecimal().utf8)
      case "another key": content + SealingKey().seal(of: content)
      case "another job's": other
      case "cut": content
      default: []
      }
    try house.sqlite().write { db in
      try db.execute(sql: "UPDATE checkpoints SET state = ? WHERE job = ?", arguments: [Data(forged), id])
    }
    let heir = try RealDaemon(house, drain: true)
    #expect(heir.end() == 0)
    #expect(heir.words.contains("job \(id), image 0: starts anew"), "\(heir.words)")
    let pictures = try [wanted, id].map { id in
      try PNGFile.read(#require(house.client.details(job: id).images.first).path).image
    }
    #expect(pictures[0] == pictures[1])
  }
}
