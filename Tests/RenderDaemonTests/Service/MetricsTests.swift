import Foundation
import JobStore
import Logging
import RenderDaemon
import Testing

/// The numbers for Prometheus.
@Suite struct MetricsTests {
  @Test func aDaemonLeavesItsNumbersInTheFile() throws {
    let house = try DaemonHouse()
    try house.enqueue {
      $0.count = 2
      // So many that states are written while there are newer ones, on a machine as busy as may be.
      $0.steps = 300
    }
    try house.enqueue { $0.model = "gone" }
    var settings = house.settings()
    settings.metrics = house.folder + "/segmoed.prom"
    settings.checkpointSteps = 1
    settings.worker = "a \"b\"\\"
    var log = Logger(label: "test")
    log.logLevel = .critical
    try Worker(settings, log: log).run()
    let text = try String(contentsOfFile: house.folder + "/segmoed.prom", encoding: .utf8)
    let worker = #"worker="a \"b\"\\""#
    for line in [
      "# TYPE segmoe_jobs gauge", "segmoe_jobs{\(worker),state=\"done\"} 1",
      "segmoe_jobs{\(worker),state=\"failed\"} 1", "segmoe_attempts_total{\(worker),outcome=\"done\"} 1",
      "segmoe_images_total{\(worker)} 2", "segmoe_steps_total{\(worker)} 600",
    ] {
      #expect(text.split(separator: "\n").contains { $0 == line }, "\(line) is not in:\n\(text)")
    }
    // Of the states that come while one is written, only the newest is written too.
    let checkpoints = try #require(text.firstMatch(of: /segmoe_checkpoints_total\{.*\} ([0-9]+)/)?.1)
    #expect(try (2...598).contains(#require(Int(checkpoints))), "\(text)")
    #expect(text.contains("segmoe_resident_bytes{") && text.contains("segmoe_step_seconds{"))
    // Every line is a comment or a number with a name.
    for line in text.split(separator: "\n") {
      #expect(line.hasPrefix("# ") || line.wholeMatch(of: /[a-z_]+\{.*\} [0-9.e+-]+/) != nil, "\(line)")
    }
  }

  /// Each checkpoint and preview is counted, with its time.
  @Test func checkpointsAndPreviewsAreCounted() {
    let metrics = DaemonMetrics(worker: "w")
    for seconds in [0.25, 0.5] { metrics.checkpoint(seconds: seconds) }
    for seconds in [0.25, 0.5, 0.5] { metrics.preview(seconds: seconds) }
    let lines = metrics.text(queue: StateCounts()).split(separator: "\n")
    for line in [
      "segmoe_checkpoints_total{worker=\"w\"} 2", "segmoe_checkpoint_seconds_total{worker=\"w\"} 0.75",
      "segmoe_previews_total{worker=\"w\"} 3", "segmoe_preview_seconds_total{worker=\"w\"} 1.25",
    ] {
      #expect(lines.contains { $0 == line }, "\(line)")
    }
  }

  /// Each machine would tell the same of a queue on a server, and the sum over machines would be wrong.
  @Test func aQueueThatIsNotItsToTellIsLeftOut() {
    let metrics = DaemonMetrics(worker: "w")
    metrics.image()
    #expect(metrics.text(queue: StateCounts()).contains("segmoe_jobs{"))
    let text = metrics.text(queue: nil)
    #expect(!text.contains("segmoe_jobs"))
    #expect(text.contains("segmoe_images_total{worker=\"w\"} 1\n"))
  }

  /// A thread that is still at a page when the daemon ends must neither meet a closed queue nor write once more.
  @Test func nothingIsWrittenAfterTheEnd() throws {
    let house = try DaemonHouse()
    var log = Logger(label: "test")
    log.logLevel = .critical
    for _ in 0..<50 {
      let store = try QueueDatabase.open(path: house.client.path, role: .daemon)
      let writer = MetricsWriter(
        path: house.metrics, queue: QueueClient(store), metrics: DaemonMetrics(worker: "w"), pause: 0.0001,
        log: log)
      try writer.start()
      Thread.sleep(forTimeInterval: .random(in: 0...0.01))
      writer.end()
      try store.close()
      try FileManager.default.removeItem(atPath: house.metrics)
      Thread.sleep(forTimeInterval: 0.005)
      #expect(!FileManager.default.fileExists(atPath: house.metrics))
    }
  }

  /// Nor may a late heartbeat take a sign-off back.
  @Test func noHeartbeatAfterTheEnd() throws {
    let house = try DaemonHouse()
    var log = Logger(label: "test")
    log.logLevel = .critical
    for _ in 0..<50 {
      let session = try house.session("w", leaseSeconds: 0.0003)
      let keeper = LeaseKeeper(session: session, log: log)
      try keeper.start()
      Thread.sleep(forTimeInterval: .random(in: 0...0.01))
      keeper.end()
      try session.signOff()
      Thread.sleep(forTimeInterval: 0.005)
      #expect(try house.client.workers().first?.state == .stopped)
    }
  }
}
