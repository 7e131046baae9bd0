import Foundation
import GRDB
import Logging
import RenderDaemon
import Synchronization
import TestSupport
import Testing

/// How often something happens: checkpoints, warnings, looks at the clock.
@Suite struct PaceTests {
  /// Steps of a second, checkpoints or previews of a given cost: what share of the time they take.
  private func share(
    cost: Double, pictures: Int, allowed: CheckpointPace.Share = .checkpoint
  ) -> Double {
    var now = 0.0
    var spent = 0.0
    let known = CheckpointCost()
    var paces = (0..<pictures).map { _ in
      CheckpointPace(steps: nil, cost: known, from: 0, share: allowed, now: 0)
    }
    for step in 1...100_000 {
      now += 1
      for index in paces.indices where paces[index].isDue(at: step, among: pictures, now: now) {
        now += cost
        paces[index].made(at: step, now: now)
        known.seconds = cost
        spent += cost
      }
    }
    return spent / now
  }

  @Test(arguments: [0.0002, 0.004, 0.1, 1.5], [1, 4, 64])
  func checkpointsCostLessThanAHundredth(cost: Double, pictures: Int) {
    let share = share(cost: cost, pictures: pictures)
    #expect(share > 0 && share < 0.01)
  }

  @Test(arguments: [0.0002, 0.004, 0.1, 1.5], [1, 4, 64])
  func previewsCostLessThanHalfAHundredth(cost: Double, pictures: Int) {
    let share = share(cost: cost, pictures: pictures, allowed: .preview)
    #expect(share > 0 && share < 0.005)
  }

  /// What the previews of pictures that come one after the other take, and how many of each kind there are.
  private func previews(
    operations: Int?, cost: Double, seconds: Int, pictures: Int = 1
  ) -> (share: Double, sums: Int, decoded: Int, first: Double?) {
    var (now, spent, made, first) = (0.0, 0.0, [PreviewPace.Kind](), Double?.none)
    let costs = PreviewCosts()
    for _ in 0..<pictures {
      var pace = PreviewPace(costs: costs, decoding: operations, from: 0, now: now)
      for step in 1...seconds {
        now += 1
        guard let kind = pace.due(at: step, speed: 1e9, now: now) else { continue }
        made.append(kind)
        if kind == .decoded, let operations {
          first = first ?? now
          now += cost
          spent += cost
          costs.note(seconds: cost, of: operations)
        } else {
          now += 0.0025
          spent += 0.0025
        }
        pace.made(kind, at: step, now: now)
      }
    }
    return (spent / now, made.count { $0 == .sums }, made.count { $0 == .decoded }, first)
  }

  /// The first one comes when what it will cost, by its operations, is little of the time; the others by what it did cost.
  @Test(arguments: [0.02, 0.1, 0.19]) func decodedPreviewsCostLessThanHalfAHundredth(cost: Double) {
    let found = previews(operations: 100_000_000, cost: cost, seconds: 10_000)
    #expect(found.share < 0.005 && found.decoded > 100, "\(found)")
    // A tenth of a second, twice that to be sure, and twice as seldom.
    #expect(found.first.map { $0 >= 80 && $0 < 82 } == true)
    // Until then sums are shown, and not after it.
    #expect(found.sums > 30 && found.sums < 82)
  }

  /// Whatever the first one would cost, it is not tried.
  @Test func aDecodeThatWouldTakeTooLongIsNeverBegun() {
    let found = previews(operations: 1_000_000_000_000, cost: 1000, seconds: 10_000)
    #expect(found.decoded == 0 && found.sums > 1000 && found.share < 0.005)
    let without = previews(operations: nil, cost: 1000, seconds: 10_000)
    #expect(without.decoded == 0 && without.sums == found.sums)
  }

  /// Pictures of ten seconds, of which none has the time: one in some of them has a decoded preview.
  @Test func shortPicturesSaveForOne() {
    let found = previews(operations: 100_000_000, cost: 0.1, seconds: 10, pictures: 1000)
    #expect(found.decoded > 200 && found.decoded < 260 && found.share < 0.005, "\(found)")
  }

  @Test func whereDecodingFailsSumsGoOn() {
    let costs = PreviewCosts()
    costs.note(seconds: 0.002, of: 7)
    var pace = PreviewPace(costs: costs, decoding: 7, from: 0, now: 0)
    #expect(pace.due(at: 1, speed: nil, now: 0.5) == nil && pace.due(at: 1, speed: nil, now: 0.9) == .decoded)
    // Several pictures together are each shown as often less.
    #expect(pace.due(at: 1, among: 2, speed: nil, now: 0.9) == nil)
    pace.made(.decoded, at: 1, now: 0.9)
    #expect(pace.due(at: 2, speed: nil, now: 1.5) == nil)
    pace.stopDecoding()
    #expect(pace.due(at: 2, speed: nil, now: 1.5) == .sums)
    // The next picture does not try it at once.
    let next = PreviewPace(costs: costs, decoding: 7, from: 0, now: 1.6)
    #expect(next.due(at: 1, speed: nil, now: 2.3) == nil && next.due(at: 1, speed: nil, now: 2.5) == .decoded)
  }

  /// However fast the disk is, a state of a megabyte is not written at every step.
  @Test(arguments: [1, 4]) func checkpointsArePacedByTheirBytes(pictures: Int) {
    let cost = CheckpointCost()
    (cost.seconds, cost.bytes) = (0.001, 1 << 20)
    var paces = (0..<pictures).map { _ in CheckpointPace(steps: nil, cost: cost, from: 0, now: 0) }
    var written = 0
    for step in 1...10_000 {
      for index in paces.indices where paces[index].isDue(at: step, among: pictures, now: Double(step)) {
        paces[index].made(at: step, now: Double(step))
        written += 1 << 20
      }
    }
    #expect(written > 0 && Double(written) / 10_000 <= CheckpointPace.bytesPerSecond)
    // One that has lost a worker is saved as often as its cost allows.
    let eager = CheckpointPace(steps: nil, cost: cost, from: 0, share: .eager, now: 0)
    #expect(eager.isDue(at: 1, now: 1))
  }

  /// With thousands of idle daemons every question is asked thousands of times.
  @Test func anIdleDaemonAsksOnlyWhetherAnybodyHasCommitted() throws {
    let house = try DaemonHouse()
    let statements = Mutex<[String]>([])
    var log = Logger(label: "test")
    log.logLevel = .critical
    let worker = try Worker(house.settings(drain: false), log: log) { statement in
      statements.withLock { $0.append(statement) }
    }
    let thread = FinishingThread { try worker.run() }
    defer {
      worker.requestStop()
      thread.wait()
    }
    // What its start has committed all its threads look at once more, and its heartbeat it looks at every 20 seconds.
    var (said, elapsed): ([String], Double) = ([], 0)
    let limit = Patience.end
    while Set(said) != ["PRAGMA data_version"], Date() < limit {
      statements.withLock { $0 = [] }
      let begun = CheckpointPace.now
      Thread.sleep(forTimeInterval: 6)
      elapsed = CheckpointPace.now - begun
      said = statements.withLock { $0 }
    }
    #expect(Set(said) == ["PRAGMA data_version"], "\(said)")
    // Beside the worker, the index of prompts asks every five seconds, the register of models every ten.
    #expect(Double(said.count) <= elapsed / 0.25 + elapsed / 5 + elapsed / 10 + 3)
    // It is all there as soon as somebody commits.
    let id = try house.enqueue()
    try house.wait { try house.job(id).state == .done }
  }

  @Test func aNumberOfStepsIsKeptTo() {
    var pace = CheckpointPace(steps: 3, cost: CheckpointCost(), from: 5, now: 0)
    #expect(!pace.isDue(at: 7, now: 1e6) && pace.isDue(at: 8, among: 9, now: 0))
    pace.made(at: 8, now: 1)
    #expect(!pace.isDue(at: 10, now: 1e6) && pace.isDue(at: 11, now: 1))
  }

  /// The kernel says when somebody writes to the log, and of no other file; then looks come in quick succession.
  @Test func writesToTheQueueAreHeard() throws {
    let house = try DaemonHouse()
    // SQLite follows links, and has its log beside the real file.
    let link = house.models + "/link.sqlite"
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: house.client.path)
    for path in [house.client.path, link] {
      let commits = try #require(CommitWatch(database: path))
      try Data("x".utf8).write(to: URL(fileURLWithPath: house.folder + "/other-wal"))
      #expect(!commits.hears())
      try house.enqueue()
      // Whoever does not hear it sleeps for half an hour.
      let begun = CheckpointPace.now
      #expect(!StopSignal().sleep(seconds: Patience.seconds, orUntilReadable: commits.descriptor))
      #expect(CheckpointPace.now - begun < Patience.seconds)
      #expect(commits.hears() && !commits.hears())
    }
    #expect(CommitWatch(database: house.folder + "/none/queue.sqlite") == nil)
  }

  @Test func looksFollowWhatIsHeard() throws {
    let house = try DaemonHouse()
    var (deaf, hearing) = (
      LookPace(usual: 0.01, commits: nil),
      LookPace(usual: 0.01, commits: CommitWatch(database: house.client.path))
    )
    #expect(deaf.pause(now: 100) == 0.01 && hearing.pause(now: 100) == 0.25)
    deaf.hear(now: 100)
    hearing.hear(now: 100)
    #expect(deaf.pause(now: 100) == 0.01)
    #expect([100, 100.1, 101.1].map { hearing.pause(now: $0) } == [0.001, 0.01, 0.25])
  }

  /// All idle workers of a server together ask at most 2,000 times a second, and one at most four times.
  @Test(arguments: [1, 100, 500, 1000, 5000, 10_000])
  func manyAskAServerRarely(crowd: Int) {
    let settings = DaemonSettings(
      database: "postgresql://db.example/queue", output: "/out", modelFolders: [], threads: 1, worker: "w")
    let pace = LookPace(settings)
    let (pause, span) = (pace.pause(crowd: crowd), pace.span(crowd: crowd))
    // Fifteen such spans, then a round: leftovers, the worker's name, a look and a claim. And a beat every 20 seconds.
    let looks = (span / pause).rounded(.up)
    let calls = 15 * looks + 4 + 15 * looks * pause / 20
    #expect(calls / (15 * looks * pause) <= min(4, 2000 / Double(crowd)))
    // A moment's patience for a few of them.
    #expect(crowd > 500 || pause < 0.5)
  }

  /// The second look warns, and then every doubling; once the log is free, it begins anew.
  @Test func aReaderWhoKeepsTheLogIsNamed() {
    var watch = PinnedLogWatch()
    let sizes: [Int64] = [3, 4, 6, 7, 8, 15, 40].map { $0 << 20 }
    let warnings = sizes.map { watch.report($0) }
    #expect(warnings.map { $0 != nil } == [false, true, false, false, true, false, true])
    #expect(warnings[1]?.contains("4 MiB") == true && warnings[1]?.contains("reader") == true)
    watch.isFree()
    #expect(watch.report(50 << 20) == nil && watch.report(50 << 20) != nil)
  }

  @Test func aClockThatJumpsIsNoticedOnce() {
    var watch = ClockWatch(wall: 1000, steady: 10)
    // As time goes by, with what a time server corrects; forward, as after a suspension; back by an hour.
    let times: [(wall: Double, steady: Double)] = [
      (1020, 30), (1039.5, 50), (9000, 60), (5410, 70), (5420, 80),
    ]
    let found = times.map { watch.jump(wall: $0.wall, steady: $0.steady) }
    #expect(found == [nil, nil, .forward, .back, nil])
  }

  /// Somebody at sqlite3 leaves a transaction open while others write: the second look says so, and only once while the
  /// log stays as large. When he is gone, nothing more is said.
  @Test func aReaderWhoKeepsTheLogIsToldOfOnce() throws {
    let house = try DaemonHouse()
    let recorder = LogRecorder()
    let keeper = LeaseKeeper(
      session: try house.session("w", leaseSeconds: 0.3), log: Logger(label: "test") { _ in recorder })
    try keeper.start()
    defer { keeper.end() }
    func said() -> Int {
      recorder.messages.count { $0.contains("a reader keeps it from being copied back") }
    }
    var careless = Configuration()
    careless.allowsUnsafeTransactions = true
    let reader = try DatabaseQueue(path: house.client.path, configuration: careless)
    try reader.writeWithoutTransaction { db in
      try db.execute(sql: "BEGIN")
      _ = try Int.fetchOne(db, sql: "SELECT count(*) FROM jobs")
    }
    try house.sqlite().writeWithoutTransaction { db in
      try db.execute(sql: "CREATE TABLE junk AS SELECT randomblob(4000000) AS x")
    }
    /// Waits until it has looked some times more: it does so after each heartbeat.
    func waitForLooks() throws {
      for _ in 0..<4 {
        let before = try house.client.workers().first?.heartbeatAt
        try house.wait { try house.client.workers().first?.heartbeatAt != before }
      }
    }
    try house.wait { said() == 1 }
    try waitForLooks()
    #expect(said() == 1)
    try reader.writeWithoutTransaction { try $0.execute(sql: "COMMIT") }
    try waitForLooks()
    #expect(said() == 1)
  }

  @Test func whatGoesWrongAtEveryStepIsSaidOnce() {
    let recorder = LogRecorder()
    let log = Logger(label: "test") { _ in recorder }
    let (quiet, talkative) = (QuietLog(), QuietLog(pause: 0))
    for number in 0..<100 { quiet.warning(log, "step \(number)", [:]) }
    #expect(recorder.messages == ["step 0"])
    for number in 0..<3 { talkative.warning(log, "more \(number)", [:]) }
    #expect(recorder.messages.count == 4)
  }
}
