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

  deinit { _ = try? Self.script(["stop", place.path]) }

  private static func script(_ arguments: [String]) throws -> Outcome {
    try Outcome(
      of: Places.inRepository("Tests/Slurm/cluster"), arguments,
      environment: ["PATH": "/usr/sbin:/usr/bin:/sbin:/bin"])
  }

  /// What programs on its nodes and its clients need: the built programs are found by their names.
  func environment() throws -> [String: String] {
    let programs = URL(fileURLWithPath: try Places.program("segmoed")).deletingLastPathComponent().path
    return [
      "SLURM_CONF": place.file("slurm.conf"), "PATH": "\(programs):/usr/bin:/bin",
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

  /// Kills the daemon of the node that runs a task of an array. What it has started lives on.
  func loseNode(ofTask task: Int) throws {
    let lines = try run("squeue", "--noheader", "--array", "--states=running", "--format=%K %N").split(
      separator: "\n")
    let words = try #require(lines.map { $0.split(separator: " ") }.first { $0.first == "\(task)" })
    let node = try #require(words.last)
    let text = try String(contentsOfFile: place.file("slurmd-\(node).pid"), encoding: .utf8)
    let pid = try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
    Glibc.kill(pid, SIGKILL)
  }

  /// The process of the segmoed that renders a shard of a folder now; nil if there is none.
  static func daemon(ofShard shard: Int, in folder: String) -> Int32? {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
    return names.compactMap { Int32($0) }.first { pid in
      guard let line = try? String(contentsOfFile: "/proc/\(pid)/cmdline", encoding: .utf8) else {
        return false
      }
      let words = line.split(separator: "\0")
      return words.first?.hasSuffix("segmoed") == true && words.contains("shard-\(shard)")
        && words.contains("\(folder)/files")
    }
  }
}
