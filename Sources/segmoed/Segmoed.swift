import ArgumentParser
import Configuration
import Diffusion
import Foundation
import JobStore
import Logging
import RenderDaemon
import ServiceLifecycle

/// The daemon: claims jobs from the queue and renders them.
struct Segmoed: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segmoed",
    abstract: "Render the jobs of the queue.",
    discussion: """
      The queue is an SQLite database: --database FILE, else $SEGMOE_DATABASE, else
      ~/.local/state/segmoe/queue.sqlite. It is made when there is none. Pictures go to
      OUTPUT/BATCH/JOB-INDEX.png. SIGTERM gives the running job back and ends the daemon.
      """,
    version: Version.current)

  @Option(help: "The queue's database.")
  var database: String?

  @Option(help: "Folder for pictures; without it `images` beside the database.")
  var output: String?

  @Option(
    name: .customLong("models"),
    help: "A folder of models; may be given again. Jobs may then only use models below these folders.")
  var models: [String] = []

  @Option(help: ArgumentHelp("Memory for cached experts, e.g. 4GiB; without it no limit.", valueName: "size"))
  var memoryBudget: ByteCount?

  @Option(help: "Threads that compute; without it one per processor.")
  var threads: Int?

  @Option(help: "This daemon's name, if several share a database; without it the host's.")
  var worker: String?

  @Flag(help: "Render what is queued, then end.")
  var drain = false

  @Option(help: ArgumentHelp("YAML configuration (not built yet).", valueName: "file"))
  var config: String?

  mutating func validate() throws {
    guard config == nil else {
      throw ValidationError("--config is not built into this version; use the flags")
    }
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads \(threads) is out of range; use 1 to 1024")
    }
  }

  func run() async throws {
    let environment = ProcessInfo.processInfo.environment
    let path = absolute(database ?? JobStore.defaultPath(environment: environment))
    let beside = URL(fileURLWithPath: path).deletingLastPathComponent().path + "/images"
    let settings = DaemonSettings(
      database: path, output: absolute(output ?? beside), modelFolders: models.map(absolute),
      memoryBudget: memoryBudget?.bytes ?? .max, threads: threads, worker: worker, drain: drain)
    LoggingSystem.bootstrap(StreamLogHandler.standardError)
    let log = Logger(label: "segmoed")
    let worker = try Worker(settings, log: log)
    log.info("ready, queue \(path), pictures \(settings.output)")
    var group = ServiceGroupConfiguration(
      services: [
        .init(
          service: RenderService(worker: worker, log: log),
          successTerminationBehavior: .gracefullyShutdownGroup)
      ],
      gracefulShutdownSignals: [.sigterm, .sigint], logger: log)
    group.maximumGracefulShutdownDuration = .seconds(5)
    try await ServiceGroup(configuration: group).run()
  }

  private func absolute(_ path: String) -> String { URL(fileURLWithPath: path).path }
}

@main
enum Main {
  static func main() async {
    do {
      var command = try Segmoed.parseAsRoot()
      if var daemon = command as? any AsyncParsableCommand {
        try await daemon.run()
      } else {
        try command.run()
      }
    } catch {
      exit(report(error))
    }
  }

  /// Prints help where it was asked for, errors as one line; gives the exit code.
  private static func report(_ error: any Error) -> Int32 {
    if let error = error as? JobStoreError {
      complain(error.description)
      return 69
    }
    let code = Segmoed.exitCode(for: error)
    if code.isSuccess {
      print(Segmoed.fullMessage(for: error))
      return 0
    }
    let message = Segmoed.message(for: error).split(separator: "\n").joined(separator: " ")
    complain(message.isEmpty ? "wrong usage; `segmoed --help` shows what there is" : message)
    return code == .validationFailure ? 64 : 70
  }

  private static func complain(_ message: String) {
    FileHandle.standardError.write(Data("segmoed: \(message)\n".utf8))
  }
}
