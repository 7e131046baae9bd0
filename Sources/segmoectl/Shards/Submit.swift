import ArgumentParser
import Boundary
import CommandLine
import Foundation

/// `segmoectl submit`
struct Submit: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Let Slurm render shards.",
    discussion: """
      Runs sbatch on DIR/job.sh and prints the number of the array. Options of sbatch come behind --, and go before those \
      in the script. Submitting twice does no harm: shards that are over end at once.
      """)

  @Option(
    help: ArgumentHelp("The folder that `segmoectl shard` has made.", valueName: "dir"))
  var slurm: String

  @Argument(parsing: .postTerminator, help: "Options of sbatch, such as --partition=long --time=8:00:00.")
  var options: [String] = []

  @OptionGroup var format: Format

  func run() throws {
    let folder = ShardFolder(path: absolutePath(slurm))
    let manifest = try folder.manifest()
    guard folder.isSame(as: manifest.folder) else {
      throw Problem.badInput(
        "\(folder.path) was made as \(manifest.folder), which its batch script uses: move it back there, or put a link there"
      )
    }
    let answer = try Self.sbatch(["--parsable"] + options + [folder.script])
    // "1234", or "1234;cluster".
    guard let number = answer.split(separator: ";").first.flatMap({ Int64($0) }) else {
      throw Problem.failed("sbatch gave no number of a job: \(PlainText.line(answer))")
    }
    if format.json {
      print(JSONText.object([("array", .integer(number)), ("shards", .integer(manifest.shards))]).text)
    } else {
      print("array \(number): \(manifest.shards) shards, \(manifest.tasks) at a time")
    }
  }

  /// - Returns: what sbatch prints, without the end of the line.
  /// - Throws: `Problem`
  private static func sbatch(_ arguments: [String]) throws -> String {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["sbatch"] + arguments
    let output = Pipe()
    process.standardOutput = output
    do {
      try process.run()
    } catch {
      throw Problem.unavailable("sbatch cannot be started: \(error.localizedDescription)")
    }
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    if process.terminationStatus == 127 {
      throw Problem.unavailable(
        "sbatch is not here: submit from a machine of the cluster, or install slurm-client")
    }
    // It has said why.
    guard process.terminationReason == .exit, process.terminationStatus == 0 else {
      throw Problem.failed("sbatch refused the array")
    }
    return text.trimmingCharacters(in: .whitespacesAndNewlines)
  }
}
