import Foundation
import JobStore
import Logging
import Synchronization

/// The fetcher beside a person's daemon: a process of its own, so that the daemon itself never has a connection to
/// anywhere. It is started again if it ends by itself, and ends with the daemon.
final class FetchChild: Sendable {
  private struct State {
    var process: Process?
    var isEnding = false
  }

  private let arguments: [String]
  private let environment: [String: String]
  private let log: Logger
  private let state = Mutex(State())

  /// Seconds until one that ended by itself is started again.
  private static let pause = 5.0
  /// Exit codes of wrong usage, configurations, queues and rights, which another start would not mend.
  private static let lasting: Set<Int32> = [64, 65, 66, 77]

  /// - Parameters:
  ///   - arguments: the arguments of `segmoed fetch`.
  ///   - environment: its variables.
  ///   - log: hears how it ends.
  init(arguments: [String], environment: [String: String], log: Logger) {
    self.arguments = arguments
    self.environment = environment
    self.log = log
  }

  /// Starts it.
  /// - Throws: what starting a process throws.
  func start() throws {
    try state.withLock { state in
      guard !state.isEnding else { return }
      let process = Process()
      process.executableURL = URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath()
      process.arguments = ["fetch", "--beside", "\(getpid())"] + arguments
      process.environment = environment
      process.standardInput = FileHandle.nullDevice
      process.terminationHandler = { [self] process in ended(process.terminationStatus) }
      try process.run()
      state.process = process
    }
  }

  /// Waits until it has signed on, so that a daemon which ends with the last job knows of it.
  func waitUntilReady(_ queue: any JobQueue, seconds: Double = 10) {
    let (end, host) = (Date(timeIntervalSinceNow: seconds), ProcessInfo.processInfo.hostName)
    while Date() < end, let pid = state.withLock({ $0.process?.processIdentifier }) {
      if (try? queue.fetchers().contains { $0.pid == Int(pid) && $0.host == host }) ?? false { return }
      Thread.sleep(forTimeInterval: 0.02)
    }
  }

  /// Ends it, and waits for that.
  func stop() {
    let process = state.withLock { state in
      state.isEnding = true
      return state.process
    }
    guard let process, process.isRunning else { return }
    process.terminate()
    process.waitUntilExit()
  }

  private func ended(_ code: Int32) {
    let isEnding = state.withLock { state in
      state.process = nil
      return state.isEnding
    }
    guard !isEnding else { return }
    guard !Self.lasting.contains(code) else {
      log.error("the fetcher cannot run (exit code \(code)): jobs wait for what they name of a hub")
      return
    }
    log.warning("the fetcher has ended (\(code)), starting it again")
    DispatchQueue.global().asyncAfter(deadline: .now() + Self.pause) { [self] in
      do { try start() } catch { log.error("the fetcher cannot be started: \(error)") }
    }
  }
}
