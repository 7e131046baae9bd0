import Foundation
import TestSupport
import Testing

/// A Slurm cluster of two nodes on this machine's loopback, for one test. It ends with the last reference to it.
final class SlurmCluster: Sendable {
  /// Whether it can be started here.
  static let isInstalled =
    geteuid() == 0
    && ["/usr/sbin/slurmctld", "/usr/sbin/slurmd", "/usr/sbin/munged", "/usr/bin/sbatch"]
      .allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }

  /// Why tests are skipped where it cannot.
  static let absence: Comment =
    "no Slurm: it needs root, and apt-get install --no-install-recommends slurm-wlm munge (not started)"

  private let place: TemporaryFolder

  /// - Throws: what the script says, if the cluster does not come up.
  init() throws {
    place = try TemporaryFolder()
    // Whoever else listens there, another port is free.
    var words = ""
    for _ in 0..<5 {
      let port = Int.random(in: 20_000..<32_000)
      let outcome = try Self.script(["start", place.path, "2", "\(port)"])
      if outcome.code == 0 { return }
      words = outcome.errors
      _ = try Self.script(["stop", place.path])
    }
    throw NotStarted(words: words)
  }

  struct NotStarted: Error {
    let words: String
  }

  deinit {
    _ = try? Self.script(["stop", place.path])
    // One that a failed test has left standing would stand for ever.
    for pid in Self.daemons(where: { $0.contains { $0.hasPrefix(place.path) } }) { kill(pid, SIGKILL) }
  }

  private static func script(_ arguments: [String]) throws -> Outcome {
    try Outcome(
      of: Places.inRepository("Tests/Slurm/cluster"), arguments,
      environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
  }

  /// What programs on its nodes and its clients need: the built programs are found by their names.
  func environment() throws -> [String: String] {
    let programs = URL(fileURLWithPath: try Places.program("segmoed")).deletingLastPathComponent().path
    let held = Places.inRepository("Tests/Slurm/held")
    return [
      "SLURM_CONF": place.file("slurm.conf"), "PATH": "\(held):\(programs):/usr/bin:/bin",
      "HELD": place.path, "FAULT_LIBRARY": FaultLibrary.path ?? "",
      // Every second, what is done comes home.
      "SHARD_SECONDS": "1", "TMPDIR": place.path,
    ]
  }

  /// A client of Slurm's, such as `squeue`; its output.
  @discardableResult
  func run(_ program: String, _ arguments: String...) throws -> String {
    let outcome = try Outcome(of: "/usr/bin/\(program)", arguments, environment: environment())
    try #require(outcome.code == 0, "\(program) \(arguments): \(outcome.errors)")
    return outcome.output
  }

  /// The folders on its nodes' own disks that attempts have not removed.
  func workFolders() throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: place.path).filter { $0.hasPrefix("segmoe-") }
  }

  /// Whether no job is in its queue.
  func isEmpty() throws -> Bool { try run("squeue", "--noheader").isEmpty }

  /// The first daemon of each of these shards will stop itself in the middle of its job.
  func hold(shards: Int...) throws {
    for shard in shards { try place.write("shard-\(shard)", "") }
  }

  /// Kills the daemon of the node that runs a task of an array. What it has started lives on. Slurm would miss it after
  /// `SlurmdTimeout`, which is long, so that a busy machine loses no other node; here it is told.
  func loseNode(ofTask task: Int) throws {
    let lines = try run("squeue", "--noheader", "--array", "--states=running", "--format=%K %N").split(
      separator: "\n")
    let words = try #require(lines.map { $0.split(separator: " ") }.first { $0.first == "\(task)" })
    let node = try #require(words.last)
    let text = try String(contentsOfFile: place.file("slurmd-\(node).pid"), encoding: .utf8)
    let pid = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    kill(pid, SIGKILL)
    try run("scontrol", "update", "NodeName=\(node)", "State=DOWN", "Reason=lost")
  }

  /// The process of the segmoed that renders a shard of a folder now; nil if there is none.
  static func daemon(ofShard shard: Int, in folder: String) -> HeldProcess? {
    daemons { $0.contains("shard-\(shard)") && $0.contains("\(folder)/files") }.first.map(HeldProcess.init)
  }

  /// The numbers of all segmoed processes with such arguments.
  private static func daemons(where isWanted: ([Substring]) -> Bool) -> [Int32] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { Int32($0) }.filter { pid in
      guard let line = try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8) else {
        return false
      }
      let words = line.split(separator: "\0")
      return words.first?.hasSuffix("segmoed") == true && isWanted(words)
    }
  }
}
