import Foundation
import JobStore
import Requests
import Testing

@Suite struct PurgeCommandTests {
  /// A done job whose image is said to be at `path`.
  private func done(_ command: Command, _ session: WorkerSession, path: String) throws {
    _ = try session.client.enqueue(
      BatchRequest(), requests: [JobRequest(RenderRequest(model: "m", prompt: "p"))])
    let claimed = try #require(try session.claim())
    let image = ImageRecord(
      index: 0, path: path, seed: 0, width: 8, height: 8, digest: String(repeating: "a", count: 64), bytes: 1,
      seconds: 1)
    try session.finish(claimed.lease, images: [image], statistics: RenderStatistics())
  }

  private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  @Test func picturesGoOnlyBelowTheirFolder() throws {
    let command = try Command()
    let folder = command.folder
    try FileManager.default.createDirectory(atPath: folder + "/out/batch", withIntermediateDirectories: true)
    try FileManager.default.createDirectory(atPath: folder + "/other", withIntermediateDirectories: true)
    try FileManager.default.createSymbolicLink(
      atPath: folder + "/out/link", withDestinationPath: folder + "/other")
    let files = ["out/batch/1.png", "out/batch/notes.txt", "other/2.png", "other/3.png", "other/4.png"]
    for file in files { try command.file(file, Data("x".utf8)) }

    let session = try command.daemon()
    try done(command, session, path: folder + "/out/batch/1.png")
    try done(command, session, path: folder + "/out/batch/notes.txt")
    try done(command, session, path: folder + "/other/2.png")
    try done(command, session, path: folder + "/out/../other/3.png")
    try done(command, session, path: folder + "/out/link/4.png")
    try done(command, session, path: folder + "/out/batch/gone.png")

    let dry = try command("purge", "--keep", "0", "--files", "out", "--dry-run", "--json")
    #expect(dry.output == "{\"jobs\": 6, \"files\": 1}\n")
    #expect(exists(folder + "/out/batch/1.png"))
    let outcome = try command("purge", "--keep", "0", "--files", "out", "--json")
    #expect(outcome.output == "{\"jobs\": 6, \"files\": 1}\n")
    #expect(files.map { exists(folder + "/" + $0) } == [false, true, true, true, true])
    #expect(try session.client.status().counts.total == 0)
  }

  @Test func anEmptyBatchFolderGoesToo() throws {
    let command = try Command()
    let folder = command.folder
    try FileManager.default.createDirectory(atPath: folder + "/out/batch", withIntermediateDirectories: true)
    try command.file("out/batch/1.png", Data("x".utf8))
    try done(command, command.daemon(), path: folder + "/out/batch/1.png")
    #expect(
      try command("purge", "--keep", "0", "--files", "out").output == """
        1 jobs go; their pictures below \(folder)/out go with them
        1 jobs and 1 pictures are gone

        """)
    #expect(!exists(folder + "/out/batch"))
    #expect(exists(folder + "/out"))
  }

  /// A pattern's folders lie below each other.
  @Test func foldersThatAreLeftEmptyGoToo() throws {
    let command = try Command()
    let folder = command.folder
    try FileManager.default.createDirectory(atPath: folder + "/out/a/b/c", withIntermediateDirectories: true)
    for file in ["out/a/b/c/1.png", "out/a/2.png"] { try command.file(file, Data("x".utf8)) }
    let session = try command.daemon()
    try done(command, session, path: folder + "/out/a/b/c/1.png")
    #expect(try command("purge", "--keep", "0", "--files", "out").code == 0)
    #expect(!exists(folder + "/out/a/b") && exists(folder + "/out/a/2.png"))
  }

  /// One byte a picture.
  @Test func bySize() throws {
    let command = try Command()
    let session = try command.daemon()
    for number in 1...4 { try done(command, session, path: "/nowhere/\(number).png") }
    #expect(try command("purge", "--max-bytes", "1GiB", "--json").output == "{\"jobs\": 0, \"files\": 0}\n")
    let dry = try command("purge", "--max-bytes", "3", "--dry-run")
    #expect(dry.output.hasPrefix("1 jobs go; ") && dry.output.hasSuffix("1 jobs and 0 pictures would go\n"))
    #expect(try command("purge", "--max-bytes", "1", "--keep", "3", "--json").output.contains("\"jobs\": 1,"))
    #expect(try command("purge", "--max-bytes", "1", "--json").output.contains("\"jobs\": 2,"))
    #expect(try command.client().list().map(\.id) == [4])
    #expect(
      try command("purge", "--max-bytes", "0", "--state", "failed", "--json").output.contains("\"jobs\": 0,"))
    #expect(try command("purge", "--max-bytes", "0", "--json").output.contains("\"jobs\": 1,"))
  }

  @Test func nothingGoesUnlessSaid() throws {
    let command = try Command()
    try done(command, command.daemon(), path: "/nowhere/1.png")
    expectComplaint(try command("purge"), code: 64, "--older-than")
    expectComplaint(try command("purge", "--keep", "0", "--state", "queued"), code: 64, "queued")
    expectComplaint(try command("purge", "--older-than", "soon"), code: 64, "'soon'")
    expectComplaint(try command("purge", "--keep", "0", "--files", "nope"), code: 66, "nope")
    #expect(try command("purge", "--older-than", "1d", "--json").output == "{\"jobs\": 0, \"files\": 0}\n")
    #expect(try command.client().list().count == 1)
  }
}
