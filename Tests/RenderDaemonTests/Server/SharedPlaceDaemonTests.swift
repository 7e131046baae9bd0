import Boundary
import Foundation
import Images
import JobStore
import PostgresStore
import Requests
import TestSupport
import Testing

/// Clients and daemons that have nothing in common but the server and the shared place.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct SharedPlaceDaemonTests {
  /// A queue on a server, and a place of one of the two kinds.
  private struct World {
    let house: ServerHouse
    let bucket: TestBucket
    let folder: TemporaryFolder
    let address: String

    init(_ kind: String) throws {
      house = try ServerHouse()
      bucket = try TestBucket()
      folder = try TemporaryFolder("place", "empty")
      address = kind == "bucket" ? "s3://\(TestBucket.name)/x" : folder.file("place")
    }

    var environment: [String: String] {
      bucket.environment.merging(["SEGMOE_SHARED": address]) { $1 }
    }

    /// A client of a machine of that name.
    func client(_ machine: String, _ arguments: String...) throws -> Outcome {
      try Outcome(
        of: "segmoectl", arguments, in: folder.path,
        environment: environment.merging([
          "SEGMOE_DATABASE": house.address, "HOME": folder.file(machine), "PATH": "/usr/bin:/bin",
        ]) { $1 })
    }

    /// nil: nothing is there any more.
    func replace(_ digest: String, by bytes: [UInt8]?) throws {
      bucket.objects.withLock { $0["x/files/\(digest)"] = bytes }
      guard address.hasPrefix("/") else { return }
      let path = "\(address)/files/\(digest)"
      try FileManager.default.removeItem(atPath: path)
      if let bytes { try Data(bytes).write(to: URL(fileURLWithPath: path)) }
    }
  }

  /// A start picture goes from one machine to the second, the finished picture from there to a third.
  @Test(arguments: ["folder", "bucket"]) func fromMachineToMachine(kind: String) throws {
    let world = try World(kind)
    let (house, folder) = (world.house, world.folder)
    try folder.copy(Places.golden("images/picture.png"), to: "start.png")
    let queued = try world.client(
      "a", "enqueue", "a red fox", "--model", "tiny", "--init-image", "start.png", "--strength", "0.8",
      "--width", "96",
      "--height", "96", "--precision", "f32", "--steps", "4", "--scheduler", "ddpm", "--seed", "3")
    #expect(queued.code == 0, "\(queued)")
    try FileManager.default.removeItem(atPath: folder.file("start.png"))
    // Its folders of pictures are others.
    try house.drain(["--inputs", folder.file("empty")], environment: world.environment)
    let details = try house.client.details(job: 1)
    #expect(details.job.state == .done, "\(details.job) \(house.words)")
    let image = try #require(details.images.first)
    let bytes = try Data(contentsOf: URL(fileURLWithPath: image.path))
    // The same as from a file of this machine.
    let local = try DaemonHouse()
    let id = try local.enqueue {
      ($0.model, $0.prompt, $0.initImage) = ("tiny", "a red fox", Places.golden("images/picture.png"))
      ($0.width, $0.height, $0.steps, $0.strength) = (96, 96, 4, 0.8)
      ($0.scheduler, $0.seed) = (.ddpm, 3)
    }
    try local.worker().run()
    let other = try #require(try local.client.details(job: id).images.first)
    #expect(try PNGFile.read(image.path).image == PNGFile.read(other.path).image)
    // Something else lies under that path on the third machine, or nothing.
    try Data("another picture".utf8).write(to: URL(fileURLWithPath: image.path))
    for isThere in [true, false] {
      if !isThere { try FileManager.default.removeItem(atPath: image.path) }
      let seen = try world.client("third", "view", "1")
      #expect(seen.code == 0, "\(seen)")
      let path = seen.output.trimmingCharacters(in: .whitespacesAndNewlines)
      #expect(path.hasPrefix(folder.file("third")) && path.hasSuffix(".png"))
      #expect(FileManager.default.contents(atPath: path) == bytes)
    }
    #expect(try world.client("third", "show", "1").output.contains(world.address))
    let everything = try world.client("third", "show", "1", "--json").output + house.words + queued.errors
    #expect(!everything.contains(TestBucket.secret))
  }

  /// A page of pictures that another machine rendered.
  @Test(arguments: ["folder", "bucket"]) func aSheetOnAnotherMachine(kind: String) throws {
    let world = try World(kind)
    let id = try world.house.enqueue(steps: 2)
    try world.house.drain(environment: world.environment)
    let images = try world.house.client.details(job: id).images
    try #require(images.count == 2)
    func page(_ name: String) throws -> RGBImage { try PNGFile.readPixels(world.folder.file(name)) }
    let there = try world.client("a", "sheet", "1", "--output", "there.png")
    #expect(there.code == 0 && there.errors == "", "\(there)")
    // Under one path lies something else on the other machine, under the other one nothing.
    try FileManager.default.removeItem(atPath: images[1].path)
    try FileManager.default.removeItem(atPath: images[0].path)
    try Data(PNGFile.encode(RGBImage(width: 96, height: 96, red: 9, green: 90, blue: 200))).write(
      to: URL(fileURLWithPath: images[0].path))
    let other = try world.client("b", "sheet", "1", "--output", "other.png")
    #expect(other.code == 0 && other.errors == "", "\(other)")
    #expect(try page("other.png") == page("there.png"))
    // One can be had nowhere: it is named, and the other one is shown.
    try world.replace(images[1].digest, by: nil)
    let less = try world.client("c", "sheet", "1", "--output", "less.png", "--json")
    #expect(less.code == 0 && less.output.contains("\"pictures\": 1, \"missing\": 1"), "\(less)")
    #expect(less.errors.contains("picture 1 of job \(id) is neither on this machine"), "\(less)")
    // So is one that is another's now.
    try world.replace(images[0].digest, by: [1, 2, 3])
    let none = try world.client("d", "sheet", "1", "--output", "none.png")
    #expect(none.code == 65 && none.errors.contains(images[0].digest), "\(none)")
    #expect(!FileManager.default.fileExists(atPath: world.folder.file("none.png")))
  }

  @Test func aSheetWithoutAPlaceNamesThePictures() throws {
    let house = try ServerHouse()
    let id = try house.enqueue(steps: 2)
    try house.drain()
    for image in try house.client.details(job: id).images {
      try FileManager.default.removeItem(atPath: image.path)
    }
    for arguments in [["sheet", "1", "--output", house.file("t.png")], ["view", "\(id)"]] {
      let outcome = try house.control(arguments)
      #expect(outcome.code == 66, "\(outcome)")
      #expect(outcome.errors.contains("picture 0 of job \(id) is not on this machine"), "\(outcome)")
      #expect(outcome.errors.contains("--shared"))
    }
  }

  /// A model that no daemon has under a name.
  @Test(arguments: ["folder", "bucket"]) func aModelByItsDigest(kind: String) throws {
    let world = try World(kind)
    let queued = try world.client(
      "a", "enqueue", "a red fox", "--model", world.house.file("models/tiny"), "--width", "96", "--height",
      "96",
      "--steps", "2", "--scheduler", "ddpm", "--seed", "3")
    #expect(queued.code == 0, "\(queued)")
    let model = try world.house.client.details(job: 1).job.request.render.model
    #expect(SharedName(model)?.kind == .tree)
    // By a name that somebody gave it, it is the same.
    let named = try world.client("a", "share", world.house.file("models/tiny"), "--name", "small")
    #expect(named.code == 0 && named.output == "shared:small\n", "\(named)")
    let other = try world.client(
      "b", "enqueue", "a red fox", "--model", "shared:small", "--width", "96", "--height", "96", "--steps",
      "2", "--scheduler", "ddpm", "--seed", "3")
    #expect(other.code == 0, "\(other)")
    #expect(try world.house.client.details(job: 2).job.request.render.model == model)
    try world.house.drain(["--models", world.folder.file("empty")], environment: world.environment)
    let details = try (1...2).map { try world.house.client.details(job: $0) }
    #expect(details.allSatisfy { $0.job.state == .done }, "\(details.map(\.job)) \(world.house.words)")
  }

  /// Other bytes than those that were queued are not rendered from, and the job says so.
  @Test(arguments: ["folder", "bucket"]) func otherBytesFailTheJob(kind: String) throws {
    let world = try World(kind)
    try world.folder.copy(Places.golden("images/picture.png"), to: "start.png")
    let queued = try world.client(
      "a", "enqueue", "p", "--model", "tiny", "--init-image", "start.png", "--steps", "4")
    #expect(queued.code == 0, "\(queued)")
    let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: world.folder.file("start.png"))))
    let mask = [UInt8](try Data(contentsOf: URL(fileURLWithPath: Places.golden("images/mask.png"))))
    try world.replace(Digest.hexadecimal(of: bytes), by: mask)
    try world.house.drain(environment: world.environment, code: 1)
    let job = try world.house.client.details(job: 1).job
    #expect(job.state == .failed && job.failure?.kind == .badInput)
    #expect(job.failure?.message.contains("holds something else") == true, "\(job)")
  }

  /// A daemon without a place leaves such jobs to others.
  @Test func withoutAPlace() throws {
    let house = try ServerHouse()
    let name = "tree:\(String(repeating: "ab", count: 32))/demo"
    var requests = [JobRequest(RenderRequest(model: name, prompt: "p"))].makeIterator()
    _ = try house.client.enqueue(BatchRequest()) { requests.next() }
    // Whoever drains waits for no daemon that has one.
    try house.drain(code: 1)
    let job = try house.client.details(job: 1).job
    #expect(job.state == .failed && job.attempts == 0 && job.failure?.kind == .model, "\(job)")
    #expect(job.failure?.message.contains("SEGMOE_SHARED") == true)
  }

  /// A finished picture waits for its place.
  @Test func aPlaceThatIsAway() throws {
    let world = try World("bucket")
    let id = try world.house.enqueue(steps: 2)
    world.bucket.faults.withLock { $0 = [.status(503), .status(503), .lost] }
    let daemon = try world.house.daemon(environment: world.environment)
    try world.house.wait { try !world.house.client.details(job: id).job.state.isOpen }
    daemon.terminate()
    daemon.waitUntilExit()
    #expect(daemon.terminationStatus == 0, "\(world.house.words)")
    let details = try world.house.client.details(job: id)
    #expect(details.job.state == .done && details.job.attempts == 1, "\(details.job)")
    for image in details.images {
      let bytes = world.bucket.objects.withLock { $0["x/files/\(image.digest)"] }
      #expect(bytes.map { Data($0) } == FileManager.default.contents(atPath: image.path))
    }
    #expect(world.house.words.contains("waits to write its picture: s3://bucket/x cannot be reached"))
    #expect(!world.house.words.contains(TestBucket.secret))
  }

  /// Keys that are wrong, or none, end a daemon before it claims anything.
  @Test(arguments: [
    (["SEGMOE_SHARED": "s3://bucket/x"], Int32(77), "AWS_ACCESS_KEY_ID"),
    (["SEGMOE_SHARED": "s3://a:hush@bucket/x"], 64, "keys do not belong into it"),
    (["SEGMOE_SHARED": "gs://bucket"], 64, "only s3://"),
  ])
  func aPlaceThatIsNone(environment: [String: String], code: Int32, words: String) throws {
    let house = try ServerHouse()
    try house.drain(environment: environment, code: code)
    #expect(house.words.contains(words), "\(house.words)")
    #expect(!house.words.contains("hush"))
  }
}
