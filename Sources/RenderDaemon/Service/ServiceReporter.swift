import Boundary
import Foundation
import Synchronization
import Tensors

/// Tells the service manager what the daemon does, and that it is alive.
///
/// Threads that render send pings: one after each step or stage, and some while they wait for work. Whoever waits for the
/// queue or the disk sends some, too. If a step hangs, the pings stop, and the manager restarts the daemon. Of jobs side by side each must give signs of life, or the
/// others' pings stop, too.
package final class ServiceReporter: Sendable {
  /// A job's progress, for the status line.
  package struct Position: Sendable {
    package var job: Int64
    /// Index of the image, from 0.
    package var image: Int
    package var images: Int
    package var phase: String
    package var step: Int
    package var steps: Int
    package var secondsPerStep: Double?

    package init(
      job: Int64, image: Int, images: Int, phase: String, step: Int, steps: Int, secondsPerStep: Double?
    ) {
      self.job = job
      self.image = image
      self.images = images
      self.phase = phase
      self.step = step
      self.steps = steps
      self.secondsPerStep = secondsPerStep
    }

    /// Estimated seconds to the end of the job, from the time of its steps.
    var secondsLeft: Double? {
      secondsPerStep.map { $0 * Double(steps - step + (images - image - 1) * steps) }
    }

    var text: String {
      var text = "job \(job), \(phase) \(step)/\(steps)"
      if images > 1 { text += ", image \(image + 1)/\(images)" }
      if let left = secondsLeft { text += ", \(ServiceReporter.duration(left)) left" }
      return text
    }
  }

  /// What one of the jobs side by side last said. A daemon that has one job at a time has one of no lane.
  private struct Sign {
    let at: Double
    let position: Position
    /// As it was last known.
    let perStep: Double?
  }

  private struct State {
    var status = ""
    var signs: [ObjectIdentifier?: Sign] = [:]
    var sentAt = -Double.infinity
    /// Seconds without a ping after which the manager restarts the daemon; nil if it does not watch.
    var watchdog: Double?
    var isStopping = false

    /// Whether a job beside others has given no sign of life for too long.
    func hangs(at now: Double) -> Bool {
      guard let watchdog else { return false }
      return signs.contains { $0.key != nil && now - $0.value.at > watchdog }
    }

    /// What all jobs say, in the order of their numbers.
    var text: String {
      signs.values.sorted { $0.position.job < $1.position.job }.map(\.position.text).joined(separator: "; ")
    }
  }

  private let notifier: SystemdNotifier?
  private let state: Mutex<State>
  /// The watchdog time in the unit.
  private let configuredWatchdog: Double?

  /// - Parameter environment: has `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID` if a service manager started
  ///   this process.
  package init(environment: [String: String] = [:]) {
    notifier = SystemdNotifier(environment: environment)
    let isOurs = environment["WATCHDOG_PID"].map { $0 == "\(getpid())" } ?? true
    let microseconds = isOurs ? environment["WATCHDOG_USEC"].flatMap(Double.init) : nil
    configuredWatchdog = microseconds.flatMap { $0 > 0 ? $0 / 1e6 : nil }
    state = Mutex(State(watchdog: configuredWatchdog))
  }

  /// Asks for more time to start, because a large queue is copied before it is migrated.
  package func starting(seconds: Double) {
    notifier?.send("STATUS=opening the queue", "EXTEND_TIMEOUT_USEC=\(Self.microseconds(seconds))")
  }

  /// Reports that the daemon is ready: the queue is open.
  package func ready() {
    state.withLock { $0.status = "waiting for jobs" }
    notifier?.send("READY=1", "STATUS=waiting for jobs", "WATCHDOG=1")
  }

  /// Reports that there is nothing to render. It may be called at any rate.
  package func idle() {
    // Others may be at work beside it.
    let work = state.withLock { $0.signs.keys.contains { $0 != nil } ? $0.text : nil }
    say(work ?? "waiting for jobs", every: (configuredWatchdog ?? .infinity) / 8)
  }

  /// Notes that one of the jobs side by side gives no sign of life for now, and need not: it is over, or waits for others.
  package func rests() {
    guard let lane = Self.lane else { return }
    state.withLock { $0.signs[lane] = nil }
  }

  private static var lane: ObjectIdentifier? { WorkLane.current.map { ObjectIdentifier($0) } }

  /// Reports that the queue does not answer and the daemon keeps trying.
  package func troubled(_ what: String) { say(what, every: 0.5) }

  /// Reports that a step or stage is over and the next begins.
  /// - Parameters:
  ///   - position: how far the job is.
  ///   - now: the steady clock's seconds.
  package func progress(_ position: Position, now: Double = ProcessInfo.processInfo.systemUptime) {
    let lane = Self.lane
    let (text, slowest) = state.withLock { state in
      state.signs[lane] = Sign(
        at: now, position: position, perStep: position.secondsPerStep ?? state.signs[lane]?.perStep)
      return (state.text, state.signs.values.compactMap(\.perStep).max())
    }
    if position.secondsPerStep != nil, let slowest { widenWatchdog(perStep: slowest) }
    say(text, every: 0.5, now: now)
  }

  /// Reports that the daemon is stopping.
  package func stopping() {
    state.withLock { $0.isStopping = true }
    notifier?.send("STOPPING=1", "STATUS=stopping")
  }

  /// Reports a reload, runs `body`, then reports that the daemon is ready again.
  package func reload(_ body: () -> Void) {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    notifier?.send("RELOADING=1", "MONOTONIC_USEC=\(time.tv_sec * 1_000_000 + time.tv_nsec / 1000)")
    body()
    notifier?.send("READY=1")
  }

  /// Asks for a longer watchdog time if steps take nearly as long as the watchdog waits. (`EXTEND_TIMEOUT_USEC` is
  /// for starting and stopping only.) A step that was never measured gets no longer time, because it may hang.
  private func widenWatchdog(perStep: Double) {
    guard let configuredWatchdog else { return }
    let wanted = max(configuredWatchdog, (perStep * 3).rounded(.up))
    let isNews = state.withLock { state -> Bool in
      // Small variations from step to step need no message.
      guard let now = state.watchdog, wanted > now || wanted < now / 2 else { return false }
      state.watchdog = wanted
      return true
    }
    if isNews { notifier?.send("WATCHDOG_USEC=\(Self.microseconds(wanted))") }
  }

  /// Sends a ping, with the status if it is new. Steps may take milliseconds, so there is a pause between pings. It
  /// is at most half a second if the next step may take as long as the watchdog waits.
  private func say(
    _ status: String, every pause: Double, now: Double = ProcessInfo.processInfo.systemUptime
  ) {
    guard let notifier else { return }
    // The status may quote other people's text. A line break in it would begin another message, and a datagram is
    // limited in size.
    let status = PlainText.line(status, limit: 500)
    let lines = state.withLock { state -> [String] in
      let (waited, hangs) = (now - state.sentAt, state.hangs(at: now))
      let isNews = status != state.status && !state.isStopping
      let isDue = state.watchdog != nil && !hangs && waited >= pause
      guard isDue || isNews && waited >= 0.5 else { return [] }
      state.sentAt = now
      if isNews { state.status = status }
      return (isNews ? ["STATUS=\(status)"] : []) + (hangs ? [] : ["WATCHDOG=1"])
    }
    if !lines.isEmpty { notifier.send(lines) }
  }

  private static func microseconds(_ seconds: Double) -> Int64 { Int64(min(seconds, 1e9) * 1e6) }

  /// "45 s", "3 min", "2 h 5 min".
  static func duration(_ seconds: Double) -> String {
    let seconds = Int(min(max(0, seconds), 1e8).rounded(.up))
    if seconds < 100 { return "\(seconds) s" }
    let minutes = (seconds + 59) / 60
    return minutes < 100 ? "\(minutes) min" : "\(minutes / 60) h \(minutes % 60) min"
  }
}

/// Sends sd_notify's messages to `$NOTIFY_SOCKET`: datagrams of `NAME=value` lines.
struct SystemdNotifier: Sendable {
  private let socket: UnixDatagram

  /// nil if there is no `$NOTIFY_SOCKET`, or one of a kind that this program cannot reach.
  init?(environment: [String: String]) {
    guard let name = environment["NOTIFY_SOCKET"], let socket = UnixDatagram(name: name, patience: 2) else {
      return nil
    }
    self.socket = socket
  }

  /// Sends a message, waiting at most two seconds.
  /// - Returns: false if it did not arrive.
  @discardableResult
  func send(_ lines: String...) -> Bool { send(lines) }

  @discardableResult
  func send(_ lines: [String]) -> Bool { socket.send(Array(lines.joined(separator: "\n").utf8)) }
}
