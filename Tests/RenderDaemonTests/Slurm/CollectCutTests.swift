import Foundation
import JobStore
import Requests
import Synchronization
import TestSupport
import Testing

/// `segmoectl collect` over connections to a server that are cut, wherever that may be. In the end queue and pictures are what
/// they are without a cut.
@Suite(.enabled(if: PostgresServer.isInstalled, Comment(rawValue: PostgresServer.absence)))
struct CollectCutTests {
  /// Its batch is rendered: a job of two pictures, one of one, and one that failed.
  private let world: ServerShardHouse
  private static let everything = [
    "batch": 1, "done": 2, "failed": 1, "known": 0, "left": 0, "taken_back": 0,
  ]

  init() throws {
    world = try ServerShardHouse()
    var requests = ShardHouse.requests(jobs: 3, steps: 3)
    requests[0].render.count = 2
    _ = try world.house.client.enqueue(BatchRequest(), requests: requests)
    // Other machines have that file, says somebody who errs.
    let absent = world.folder.file("nowhere.png")
    try sql("UPDATE jobs SET init_image = '\(absent)', strength = 0.5 WHERE id = 3")
    let made = try world.shard(["--shared", world.folder.path])
    try #require(made.code == 0, "\(made)")
    try world.render(0..<3)
    try sql(
      """
      CREATE SCHEMA before;
      DO $$ DECLARE t text; BEGIN
        FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'public' LOOP
          EXECUTE format('CREATE TABLE before.%1$I AS TABLE public.%1$I', t);
        END LOOP;
      END $$
      """)
  }

  @discardableResult
  private func sql(_ statement: String) throws -> [String] {
    try PostgresServer.sql(at: world.house.address, statement)
  }

  /// Makes the queue what it was before anything came home.
  /// - Returns: an empty folder of pictures.
  private func anew() throws -> TemporaryFolder {
    try sql(
      """
      SET session_replication_role = replica;
      DO $$ DECLARE t text; BEGIN
        FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'before' LOOP
          EXECUTE format('DELETE FROM public.%I', t);
          EXECUTE format('INSERT INTO public.%1$I OVERRIDING SYSTEM VALUE TABLE before.%1$I', t);
        END LOOP;
      END $$
      """)
    return try TemporaryFolder()
  }

  /// What a collect may touch.
  private struct Account: Equatable {
    let rows: [String]
    let pictures: [String: Data]
  }

  /// All rows, but for the time when they came home, and the files of the pictures.
  private func account(_ home: TemporaryFolder) throws -> Account {
    let rows = try sql(
      """
      SELECT t FROM (
        SELECT 'jobs' AS part, id AS a, 0 AS b, j::text AS t FROM jobs j
        UNION ALL SELECT 'images', job, number, i::text FROM images i
        UNION ALL SELECT 'former', job, number, f::text FROM former_images f
        UNION ALL SELECT 'states', job, number, c::text FROM checkpoints c
        UNION ALL SELECT 'events', id, 0,
          (batch, job, worker, what, detail, CASE WHEN what <> 'collected' THEN at END)::text FROM events
        UNION ALL SELECT 'batches', id, 0, b::text FROM batches b
        UNION ALL SELECT 'counts', batch, 0, c::text FROM batch_counts c
        UNION ALL SELECT 'waiting', id, 0, w::text FROM waiting w
        UNION ALL SELECT 'due', id, 0, d::text FROM due d) r
      ORDER BY part, a, b
      """)
    var pictures: [String: Data] = [:]
    for name in TemporaryFolder.files(below: home.path) {
      pictures[name] = try Data(contentsOf: URL(fileURLWithPath: home.file(name)))
    }
    return Account(rows: rows.map { $0.replacing(home.path, with: "HOME") }, pictures: pictures)
  }

  private func arguments(_ home: TemporaryFolder) -> [String] {
    ["collect", world.shards, "--output", home.path, "--json"]
  }

  /// Collects to the end, which must be good.
  /// - Parameter way: to the queue; nil: the straight one.
  private func collect(to home: TemporaryFolder, by way: String? = nil) throws -> [String: Int] {
    let outcome = try world.client(arguments(home), by: way)
    try #require(outcome.code == 0, "\(outcome)")
    return try JSONDecoder().decode([String: Int].self, from: Data(outcome.output.utf8))
  }

  /// What is so when nobody disturbs it; its pictures are what its rows say.
  private func undisturbed() throws -> Account {
    let home = try anew()
    #expect(try collect(to: home) == Self.everything)
    let pictures = try (1...3 as ClosedRange<Int64>).flatMap { job in
      let details = try world.house.client.details(job: job)
      return details.images.map { (image: $0, request: details.job.request.render) }
    }
    try #require(pictures.count == 3)
    try QueueAccount.expectPictures(pictures, below: home.path, reference: nil, "undisturbed")
    return try account(home)
  }

  /// Where connections are cut. What is done and not heard of is the hardest.
  private static func places(_ cut: CuttingProxy.Cut, by step: Int) -> StrideTo<Int> {
    // The first answer is to the connection itself: without it a client says so and ends.
    stride(from: 2, to: 500, by: cut == .beforeReply ? step : 9)
  }

  /// A way to the server whose first connection is cut at an answer.
  /// - Parameter leadsOn: whether others get through.
  private func way(_ cut: CuttingProxy.Cut, at answer: Int, leadsOn: Bool) throws -> CuttingProxy {
    let isFirst = Mutex(true)
    return try CuttingProxy(before: .shared()) {
      isFirst.withLock { isFirst in
        defer { isFirst = false }
        return isFirst ? (cut, answer) : leadsOn ? nil : (.beforeRequest, 1)
      }
    }
  }

  /// Collects over a connection that is cut, and is killed there.
  /// - Returns: whether that was before it was over.
  private func collectUntilKilled(to home: TemporaryFolder, by proxy: CuttingProxy) throws -> Bool {
    let process = try Process(
      "segmoectl", arguments(home), in: world.folder.path,
      environment: world.environment(by: proxy.address(world.house.address)))
    (process.standardOutput, process.standardError) = (FileHandle.nullDevice, FileHandle.nullDevice)
    try process.run()
    while process.isRunning, proxy.cuts == 0 { usleep(500) }
    kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
    return process.terminationReason == .uncaughtSignal || process.terminationStatus != 0
  }

  @Test func aSecondOneBringsHomeTheRest() throws {
    let undisturbed = try undisturbed()
    var homes: Set<Int> = []
    for cut in CuttingProxy.Cut.allCases {
      for answer in Self.places(cut, by: 3) {
        let home = try anew()
        let way = try way(cut, at: answer, leadsOn: false)
        guard try collectUntilKilled(to: home, by: way) else { break }
        let counts = try world.house.client.status().counts
        homes.insert(counts.done + counts.failed)
        #expect(try collect(to: home)["left"] == 0)
        #expect(try account(home) == undisturbed, "\(cut), answer \(answer)")
      }
    }
    // It was killed before, among and after them all.
    #expect(homes == [0, 1, 2, 3])
  }

  /// One that is left alive comes back by itself, and counts what it has brought home, whatever it heard of it.
  @Test func oneThatIsLeftAliveGoesOn() throws {
    let undisturbed = try undisturbed()
    for cut in CuttingProxy.Cut.allCases {
      for answer in Self.places(cut, by: 1) {
        let home = try anew()
        let way = try way(cut, at: answer, leadsOn: true)
        let counts = try collect(to: home, by: way.address(world.house.address))
        guard way.cuts > 0 else {
          #expect(answer > 30)
          break
        }
        #expect(counts == Self.everything, "\(cut), answer \(answer)")
        #expect(try account(home) == undisturbed, "\(cut), answer \(answer)")
      }
    }
  }
}
