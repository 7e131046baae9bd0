import Foundation
import TestSupport
import Testing

/// The built segmoed as a process of its own, to be killed.
final class RealDaemon {
  private let process: Process
  private let strikes: String
  private let log: String
  /// Bytes of the log that others wrote before it.
  private let before: Int

  /// Starts one on a house.
  /// - Parameters:
  ///   - leaseSeconds: after which another may take what it has; long where nobody may.
  ///   - metrics: where it leaves its numbers; daemons at the same time need one each.
  ///   - models: the folder of its models, if not the house's.
  ///   - faults: rules of `faults.c`.
  ///   - clock: of `clock.c`.
  ///   - environment: more variables.
  ///   - arguments: more flags.
  ///   - says: where its log goes, in place of a file.
  init(
    _ house: DaemonHouse, worker: String = "real", drain: Bool = false, leaseSeconds: Int = 3600,
    checkpointSteps: Int = 1, metrics: String? = nil, models: String? = nil, faults: [String] = [],
    clock: String? = nil, environment: [String: String] = [:], arguments: [String] = [],
    says: FileHandle? = nil
  ) throws {
    strikes = house.logs + "/strikes-\(UUID().uuidString)"
    log = house.logs + "/\(worker).log"
    before = FileManager.default.contents(atPath: log)?.count ?? 0
    let variables = [
      "SEGMOE_CHECKPOINT_STEPS": "\(checkpointSteps)", "SEGMOE_LEASE_SECONDS": "\(leaseSeconds)",
      "SEGMOE_METRICS": metrics ?? house.metrics, "SEGMOE_MODEL_PATIENCE": "86400", "PATH": "/usr/bin:/bin",
    ].merging(FaultLibrary.environment(faults, log: strikes, clock: clock)) { $1 }.merging(environment) { $1 }
    process = try Process(
      "segmoed",
      [
        "--database", house.client.path, "--output", house.output, "--models", models ?? house.models,
        "--worker",
        // One for each job.
        worker, "--threads", environment["SEGMOE_JOBS"] ?? "1", "--log-level", "info",
      ] + (drain ? ["--drain"] : []) + arguments, environment: variables)
    process.standardOutput = FileHandle.nullDevice
    let descriptor = open(log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o600)
    let lines = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    process.standardError = says ?? lines
    try process.run()
  }

  deinit {
    if process.isRunning { kill() }
  }

  var isRunning: Bool { process.isRunning }

  /// To stop it and let it go on.
  var held: HeldProcess { HeldProcess(pid: process.processIdentifier) }

  /// Whether a rule has struck it.
  var wasStruck: Bool { FileManager.default.fileExists(atPath: strikes) }

  /// Over, and not by its own decision.
  var wasKilled: Bool {
    !process.isRunning && process.terminationReason == .uncaughtSignal
      && process.terminationStatus == SIGKILL
  }

  /// How it ended and what it said last, for a person.
  var account: String {
    process.isRunning
      ? "running" : "ended \(process.terminationReason) \(process.terminationStatus): \(words.suffix(600))"
  }

  /// Everything it has said.
  var words: String { (try? String(contentsOfFile: log, encoding: .utf8)) ?? "" }

  /// Whether it has ended, at a stop, without waiting for the step that it was in, as on a busy machine. Then its numbers are
  /// older, and its states are what it had taken.
  var hasEndedInAStep: Bool {
    let own = (FileManager.default.contents(atPath: log) ?? Data()).dropFirst(before)
    return String(decoding: own, as: UTF8.self).contains("in the middle of a step")
  }

  /// Asks it to read its configuration again.
  func askToReload() { Glibc.kill(process.processIdentifier, SIGHUP) }

  /// Without a word, as a power cut or the kernel would.
  func kill() {
    Glibc.kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  /// Seconds that its threads have computed so far, those that have ended among them.
  func processorSeconds() throws -> Double {
    // In nanoseconds; /proc/PID/stat counts in hundredths.
    var (clock, time) = (clockid_t(), timespec())
    try #require(clock_getcpuclockid(process.processIdentifier, &clock) == 0)
    try #require(clock_gettime(clock, &time) == 0)
    return Double(time.tv_sec) + Double(time.tv_nsec) / 1e9
  }

  /// Asks it to stop and doesn't wait.
  func askToStop() { Glibc.kill(process.processIdentifier, SIGTERM) }

  /// Asks it to stop; gives the exit code.
  func stop() -> Int32 {
    askToStop()
    return end()
  }

  /// Renders what is queued, and checks that the exit code says whether a job failed meanwhile.
  static func drain(
    _ house: DaemonHouse, worker: String = "real", metrics: String? = nil,
    environment: [String: String] = [:],
    location: SourceLocation = #_sourceLocation
  ) throws {
    let failed = try house.client.status().counts.failed
    // Who waits for the lock forgives others for as long as its own lease: of the dead it must not wait for an hour.
    let daemon = try RealDaemon(
      house, worker: worker, drain: true, leaseSeconds: 60, metrics: metrics, environment: environment)
    let code = daemon.end()
    let expected: Int32 = try house.client.status().counts.failed > failed ? 1 : 0
    #expect(code == expected, "\(daemon.account)", sourceLocation: location)
  }

  /// Waits for its end; gives the exit code, -1 if a signal ended it. One that hangs is killed in the end.
  func end() -> Int32 {
    let limit = Patience.end
    while process.isRunning, Date() < limit { Thread.sleep(forTimeInterval: 0.005) }
    if process.isRunning { kill() }
    process.waitUntilExit()
    return process.terminationReason == .exit ? process.terminationStatus : -1
  }
}

/// The built segmoectl on a house's queue.
enum RealClient {
  /// Runs it to its end.
  /// - Returns: its standard output, nil if it failed or was killed.
  ///   With it, its standard error.
  static func run(
    _ house: DaemonHouse, _ arguments: [String], faults: [String] = [], clock: String? = nil,
    environment: [String: String] = [:]
  ) throws -> (answer: String?, error: String, wasKilled: Bool) {
    let faulty = FaultLibrary.environment(faults, log: house.logs + "/client-strikes", clock: clock)
    let outcome = try Outcome(
      of: "segmoectl", ["--database", house.client.path] + arguments,
      environment: ["PATH": "/usr/bin:/bin"].merging(faulty) { $1 }.merging(environment) { $1 })
    return (outcome.code == 0 ? outcome.output : nil, outcome.errors, outcome.code < 0)
  }
}
