import Boundary
import Foundation
import HTTP
import Requests
import SharedFiles
import TestSupport
import Testing

/// Buckets that fail, and the keys that open them.
@Suite struct BucketTests {
  private typealias Fault = TestBucket.Fault

  /// What passes is tried again, and a file is gone on with from where it broke off.
  @Test(arguments: [
    [Fault.status(500)], [.status(503), .status(429)], [.lost], [.cut(after: 0)],
    [.cut(after: 30_000), .cut(after: 20_000)],
    [.cut(after: 99_999), .status(502)], [.length(200_000)], [.others(count: 100_000)], [.status(416)],
    [.cut(after: 40_000), .others(count: 100_000)],
  ])
  func whatPassesIsTriedAgain(faults: [TestBucket.Fault]) throws {
    let house = try PlaceHouse(.bucket)
    let (path, bytes) = try house.file("robot.safetensors", count: 100_000)
    let name = try house.machine("client").put(path, companions: false)
    house.bucket.faults.withLock { $0 = faults }
    let found = try house.machine().local(name)
    #expect(FileManager.default.contents(atPath: found).map { Array($0) } == bytes)
    #expect(house.bucket.faults.withLock { $0.isEmpty })
  }

  @Test(arguments: [[Fault.status(500)], [.status(409)], [.lost], [.lost, .lost], [.status(503), .lost]])
  func aPutIsTriedAgain(faults: [TestBucket.Fault]) throws {
    let house = try PlaceHouse(.bucket)
    let (path, bytes) = try house.file("robot.safetensors", count: 3_000_000)
    house.bucket.faults.withLock { $0 = faults }
    let name = try house.machine("client").put(path, companions: false)
    #expect(house.objects == ["files/\(name.digest)": bytes])
  }

  @Test func aBucketThatStaysAwayIsSaidToPass() throws {
    let house = try PlaceHouse(.bucket)
    let (path, bytes) = try house.file("cat.png")
    let client = try house.machine("client", tries: 1)
    house.bucket.faults.withLock { $0 = [.status(500), .status(500)] }
    #expect(throws: SharedError.unreachable(place: "s3://bucket/team/a", reason: "it answers 500 (Trouble)"))
    {
      try client.put(path, companions: false)
    }
    // Somebody waits with a picture, and looks meanwhile whether it is still wanted: it is tried once.
    house.bucket.faults.withLock { $0 = [.status(500)] }
    let digest = Digest.hexadecimal(of: bytes)
    #expect(throws: SharedError.self) { try client.put(bytes, digest: digest, called: "x") }
    try client.put(bytes, digest: digest, called: "x")
    #expect(house.objects == ["files/\(digest)": bytes])
  }

  /// Wrong at every try, endless, or more than the disk has.
  @Test(arguments: [
    [Fault.others(count: 1), .others(count: 2)], [.length(1 << 60)], [.length(.max)],
  ])
  func aHostileAnswerEnds(faults: [TestBucket.Fault]) throws {
    let house = try PlaceHouse(.bucket)
    let (path, _) = try house.file("robot.safetensors")
    let name = try house.machine("client").put(path, companions: false)
    house.bucket.faults.withLock { $0 = faults }
    #expect(throws: SharedError.self) { try house.machine(tries: 1).local(name, most: .max) }
    #expect(!house.hasCached(name.digest))
  }

  @Test func anEndlessObjectIsRefusedBeforeItsFirstByte() throws {
    let house = try PlaceHouse(.bucket)
    let (path, _) = try house.file("robot.safetensors")
    let name = try house.machine("client").put(path, companions: false)
    house.bucket.faults.withLock { $0 = [.length(1 << 50)] }
    let error = #expect(throws: SharedError.self) { try house.machine().local(name, most: .max) }
    guard case .noRoom(_, 1 << 50) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
  }

  /// Whoever asks can end it, between two pieces.
  @Test func whoAsksCanEndIt() throws {
    struct Enough: Error {}
    let house = try PlaceHouse(.bucket)
    let (path, bytes) = try house.file("robot.safetensors", count: 3_000_000)
    let name = try house.machine("client").put(path, companions: false)
    #expect(throws: Enough.self) { try house.machine().local(name) { throw Enough() } }
    let node = try house.machine()
    node.interrupt()
    #expect(throws: SharedError.stopped) { try node.local(name) }
    #expect(try FileManager.default.contents(atPath: house.machine().local(name)).map { Array($0) } == bytes)
    // A picture that is finished is put all the same.
    try node.put([1, 2, 3], digest: Digest.hexadecimal(of: [1, 2, 3]), called: "x")
  }

  // MARK: - Keys

  private func place(_ environment: [String: String], on bucket: TestBucket, _ folder: TemporaryFolder) throws
    -> SharedPlace
  {
    try SharedPlace(
      .bucket(TestBucket.name, prefix: ""), cache: folder.file("cache"),
      environment: ["AWS_ENDPOINT_URL": bucket.endpoint, "HOME": folder.path].merging(environment) { $1 },
      pace: RetryPace(delays: []))
  }

  @Test(arguments: [nil, "a/session+token=="]) func keysOfTheEnvironmentAndOfAFile(session: String?) throws {
    let bucket = try TestBucket(session: session)
    let folder = try TemporaryFolder()
    let (key, secret) = (TestBucket.key, TestBucket.secret)
    let file = """
      # a comment
      [default]
      aws_access_key_id = other
      aws_secret_access_key = other
      [ team ]
      aws_access_key_id=\(key)
      aws_secret_access_key = \(secret)
      \(session.map { "aws_session_token = \($0)" } ?? "")
      [next]
      aws_secret_access_key = other
      """
    try folder.write(".aws/credentials", file)
    try folder.write("elsewhere", file.replacing("[ team ]", with: "[mine]"))
    let token = session.map { ["AWS_SESSION_TOKEN": $0] } ?? [:]
    for (index, environment) in [
      ["AWS_ACCESS_KEY_ID": key, "AWS_SECRET_ACCESS_KEY": secret, "AWS_REGION": "eu-west-3"].merging(token) {
        $1
      },
      ["AWS_PROFILE": "team"],
      ["AWS_PROFILE": "mine", "AWS_SHARED_CREDENTIALS_FILE": folder.file("elsewhere")],
    ].enumerated() {
      let bytes = [UInt8(index)]
      let digest = Digest.hexadecimal(of: bytes)
      try place(environment, on: bucket, folder).put(bytes, digest: digest, called: "x")
      #expect(bucket.objects.withLock { $0["files/\(digest)"] } == bytes)
    }
  }

  /// What is wrong with a key is said, and neither the key nor the secret.
  @Test(arguments: [
    ["AWS_ACCESS_KEY_ID": TestBucket.key, "AWS_SECRET_ACCESS_KEY": "hush-hush"],
    ["AWS_ACCESS_KEY_ID": "hush-hush", "AWS_SECRET_ACCESS_KEY": TestBucket.secret],
    ["AWS_ACCESS_KEY_ID": "hush-hush"], [:], ["AWS_PROFILE": "nobody"],
    ["AWS_ACCESS_KEY_ID": "hush-hush\r\nX: y", "AWS_SECRET_ACCESS_KEY": "hush-hush"],
    [
      "AWS_ACCESS_KEY_ID": "hush-hush", "AWS_SECRET_ACCESS_KEY": "hush-hush",
      "AWS_SESSION_TOKEN": "hush hush",
    ],
  ])
  func aWrongKeyIsNotRepeated(environment: [String: String]) throws {
    let bucket = try TestBucket()
    let folder = try TemporaryFolder()
    try folder.write(".aws/credentials", "[default]\nregion = eu-west-1\n")
    let error = #expect(throws: SharedError.self) {
      try place(environment, on: bucket, folder).put([1], digest: Digest.hexadecimal(of: [1]), called: "x")
    }
    #expect(error?.exit == .notPermitted, "\(String(describing: error))")
    let text = error.map { "\($0)" } ?? ""
    #expect(!text.contains("hush") && !text.contains(TestBucket.secret) && !text.contains(TestBucket.key))
    #expect(bucket.objects.withLock { $0.isEmpty })
  }

  @Test(arguments: [
    (["AWS_ENDPOINT_URL": "ftp://x"], "AWS_ENDPOINT_URL"),
    (["AWS_ENDPOINT_URL": "http://a:b@c"], "AWS_ENDPOINT_URL"),
    (["AWS_REGION": "eu west"], "AWS_REGION"),
  ])
  func aWrongSettingIsNamed(environment: [String: String], word: String) throws {
    let bucket = try TestBucket()
    let folder = try TemporaryFolder()
    let error = #expect(throws: SharedError.self) {
      try place(bucket.environment.merging(environment) { $1 }, on: bucket, folder)
    }
    #expect(error?.exit == .usage && error.map { "\($0)".contains(word) } == true)
  }

  @Test func aBucketThatIsNotThere() throws {
    let bucket = try TestBucket()
    let folder = try TemporaryFolder()
    let place = try SharedPlace(
      .bucket("another", prefix: ""), cache: folder.file("cache"), environment: bucket.environment,
      pace: RetryPace(delays: []))
    let error = #expect(throws: SharedError.self) {
      try place.put([1], digest: Digest.hexadecimal(of: [1]), called: "x")
    }
    #expect(error.map { "\($0)".contains("there is no such bucket") } == true)
  }

  /// The bytes are not those of the digest: the service notices.
  @Test func aFileThatChangesMeanwhile() throws {
    for kind in PlaceHouse.Kind.allCases {
      let house = try PlaceHouse(kind)
      let client = try house.machine("client")
      #expect(throws: SharedError.self) {
        try client.put([1, 2], digest: Digest.hexadecimal(of: [1]), called: "x")
      }
      #expect(house.objects.isEmpty)
    }
  }
}
