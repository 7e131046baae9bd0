import Foundation
import Testing

/// The built segmoed as a process of its own, to be killed.
final class RealDaemon {
  private let process = Process()

  /// Built beside the test bundle.
  static func executable() throws -> URL {
    var place = try #require(Bundle.main.executableURL).resolvingSymlinksInPath().deletingLastPathComponent()
    for _ in 0..<4 {
      let candidate = place.appendingPathComponent("segmoed")
      if FileManager.default.isExecutableFile(atPath: candidate.path) { return candidate }
      place.deleteLastPathComponent()
    }
    throw CocoaError(.fileNoSuchFile)
  }

  /// Starts one on a house.
  init(
    _ house: DaemonHouse, worker: String = "real", drain: Bool = false, leaseSeconds: Int = 60,
    checkpointSteps: Int = 1
  ) throws {
    process.executableURL = try Self.executable()
    process.arguments =
      [
        "--database", house.store.path, "--output", house.output, "--models", house.models, "--worker",
        worker, "--threads", "1", "--log-level", "error",
      ] + (drain ? ["--drain"] : [])
    process.environment = [
      "SEGMOE_CHECKPOINT_STEPS": "\(checkpointSteps)", "SEGMOE_LEASE_SECONDS": "\(leaseSeconds)",
      "SEGMOE_METRICS": house.metrics, "PATH": "/usr/bin:/bin",
    ]
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
  }

  deinit {
    if process.isRunning { kill() }
  }

  var isRunning: Bool { process.isRunning }

  /// Without a word, as a power cut or the kernel would.
  func kill() {
    Glibc.kill(process.processIdentifier, SIGKILL)
    process.waitUntilExit()
  }

  /// Asks it to stop; gives the exit code.
  func stop() -> Int32 {
    Glibc.kill(process.processIdentifier, SIGTERM)
    return end()
  }

  /// Waits for its end; gives the exit code.
  func end() -> Int32 {
    process.waitUntilExit()
    return process.terminationReason == .exit ? process.terminationStatus : -1
  }
}
