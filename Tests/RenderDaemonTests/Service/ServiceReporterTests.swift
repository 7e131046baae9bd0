import Foundation
import JobStore
import Logging
import RenderDaemon
import Tensors
import Testing

/// What the daemon tells the service manager.
@Suite struct ServiceReporterTests {
  private func position(_ step: Int, perStep: Double? = nil) -> ServiceReporter.Position {
    .init(job: 7, image: 0, images: 2, phase: "denoising", step: step, steps: 25, secondsPerStep: perStep)
  }

  @Test(arguments: [false, true]) func saysReadyToPathsAndAbstractNames(isAbstract: Bool) throws {
    let socket = try NotifySocket(isAbstract: isAbstract)
    ServiceReporter(environment: ["NOTIFY_SOCKET": socket.name]).ready()
    let message = try #require(socket.receive())
    #expect(message.split(separator: "\n").contains("READY=1"))
  }

  @Test func nobodyListeningIsNoError() {
    for name in ["", "vsock:2:1234", "/tmp/nobody-here", "/" + String(repeating: "x", count: 200)] {
      let reporter = ServiceReporter(environment: ["NOTIFY_SOCKET": name, "WATCHDOG_USEC": "1000000"])
      reporter.ready()
      reporter.progress(position(1))
    }
  }

  @Test func statusNamesJobStepAndTimeLeft() throws {
    let socket = try NotifySocket()
    let reporter = ServiceReporter(environment: ["NOTIFY_SOCKET": socket.name])
    reporter.progress(position(5, perStep: 2), now: 1000)
    #expect(socket.receive() == "STATUS=job 7, denoising 5/25, image 1/2, 90 s left\nWATCHDOG=1")
    // Not again at once: steps may take milliseconds.
    reporter.progress(position(6, perStep: 2), now: 1000.4)
    #expect(socket.receive(within: 0.1) == nil)
  }

  /// Errors quote the database, which others can write.
  @Test func whatIsQuotedIsNoMessageOfItsOwn() throws {
    let socket = try NotifySocket()
    let reporter = ServiceReporter(environment: ["NOTIFY_SOCKET": socket.name])
    reporter.troubled("no answer: x\nMAINPID=1\nWATCHDOG=trigger" + String(repeating: "x", count: 300_000))
    let lines = try #require(socket.receive()).split(separator: "\n")
    #expect(
      lines.count == 2 && lines[0].hasPrefix(#"STATUS=no answer: x\nMAINPID=1\nWATCHDOG=t"#), "\(lines)")
    #expect(lines.last == "WATCHDOG=1")
  }

  @Test func measuredStepsWidenTheWatchdogUnmeasuredOnesDoNot() throws {
    let socket = try NotifySocket()
    let reporter = ServiceReporter(environment: [
      "NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "60000000", "WATCHDOG_PID": "\(getpid())",
    ])
    reporter.progress(position(0), now: 1000)
    #expect(socket.receive()?.contains("WATCHDOG_USEC") == false)
    reporter.progress(position(1, perStep: 50), now: 1000)
    #expect(socket.receive() == "WATCHDOG_USEC=150000000")
    reporter.progress(position(2, perStep: 51), now: 1000)
    reporter.progress(position(2, perStep: 1), now: 1000)
    #expect(socket.receive(until: "WATCHDOG_USEC=60").last == "WATCHDOG_USEC=60000000")
  }

  /// Of two jobs side by side one hangs: the other does not hide it.
  @Test func jobsSideBySideMustAllGiveSignsOfLife() throws {
    let socket = try NotifySocket()
    let reporter = ServiceReporter(environment: [
      "NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "60000000",
    ])
    let (hanging, working) = (WorkLane(), WorkLane())
    func say(_ job: Int64, _ step: Int, in lane: WorkLane, at now: Double) {
      WorkLane.$current.withValue(lane) {
        reporter.progress(
          .init(
            job: job, image: 0, images: 1, phase: "denoising", step: step, steps: 9, secondsPerStep: nil),
          now: now)
      }
    }
    say(2, 1, in: hanging, at: 1000)
    #expect(socket.receive() == "STATUS=job 2, denoising 1/9\nWATCHDOG=1")
    say(1, 1, in: working, at: 1059)
    #expect(socket.receive() == "STATUS=job 1, denoising 1/9; job 2, denoising 1/9\nWATCHDOG=1")
    say(1, 2, in: working, at: 1061)
    #expect(socket.receive() == "STATUS=job 1, denoising 2/9; job 2, denoising 1/9")
    WorkLane.$current.withValue(hanging) { reporter.rests() }
    say(1, 3, in: working, at: 1062)
    #expect(socket.receive() == "STATUS=job 1, denoising 3/9\nWATCHDOG=1")
  }

  /// The watchdog waits for the slowest.
  @Test func theSlowestOfJobsSideBySideWidensTheWatchdog() throws {
    let socket = try NotifySocket()
    let reporter = ServiceReporter(environment: [
      "NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "60000000",
    ])
    let (slow, quick) = (WorkLane(), WorkLane())
    WorkLane.$current.withValue(slow) { reporter.progress(position(1, perStep: 50)) }
    #expect(socket.receive() == "WATCHDOG_USEC=150000000")
    WorkLane.$current.withValue(quick) { reporter.progress(position(1, perStep: 1)) }
    WorkLane.$current.withValue(slow) { reporter.rests() }
    WorkLane.$current.withValue(quick) { reporter.progress(position(2, perStep: 1)) }
    let messages = socket.receive(until: "WATCHDOG_USEC=60")
    #expect(messages.count { $0.contains("WATCHDOG_USEC") } == 1, "\(messages)")
  }

  @Test func reloadingCarriesTheMonotonicTime() throws {
    let socket = try NotifySocket()
    var isDone = false
    ServiceReporter(environment: ["NOTIFY_SOCKET": socket.name]).reload { isDone = true }
    let message = try #require(socket.receive())
    let time = try #require(message.split(separator: "=").last.flatMap { Int64($0) })
    #expect(message.hasPrefix("RELOADING=1\nMONOTONIC_USEC=") && time > 0 && isDone)
    #expect(socket.receive() == "READY=1")
  }

  /// The whole life of a daemon, and that its pings are the render thread's own.
  @Test func daemonReportsItsLife() throws {
    let house = try DaemonHouse()
    let socket = try NotifySocket()
    let reporter = ServiceReporter(environment: [
      "NOTIFY_SOCKET": socket.name, "WATCHDOG_USEC": "400000",
    ])
    var log = Logger(label: "test")
    log.logLevel = .critical
    let worker = try Worker(house.settings(drain: false), log: log, reporter: reporter)
    // More than it renders until it is cancelled.
    let id = try house.enqueue {
      $0.steps = 900
      $0.width = 256
      $0.height = 256
    }
    // Signed on, but nothing runs yet: nobody pings.
    #expect(socket.receive(within: 0.2) == nil)
    let thread = Thread { try? worker.run() }
    thread.start()
    #expect(socket.receive()?.hasPrefix("READY=1") == true)
    #expect(socket.receive(until: "STATUS=job \(id), ").last?.contains("WATCHDOG=1") == true)
    _ = try house.client.cancel(job: id)
    #expect(socket.receive(until: "STATUS=waiting").count > 0)
    // Idle, it pings on.
    #expect(socket.receive() == "WATCHDOG=1")
    worker.requestStop()
    #expect(socket.receive(until: "STOPPING=1").last?.hasPrefix("STOPPING=1") == true)
  }
}
