import ArgumentParser
import CommandLine
import Configuration
import Diffusion
import Foundation
import JobStore
import Logging
import Release
import RenderDaemon
import Requests
import ServiceLifecycle
import WeightCache

/// The daemon: claims jobs from the queue and renders them.
struct Segmoed: AsyncParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "segmoed",
    abstract: "Render the jobs of the queue.",
    discussion: """
      Settings come from the flags, else from the environment ($SEGMOE_DATABASE, $SEGMOE_OUTPUT, …), else \
      from the configuration file, /etc/segmoed/config.yaml unless --config names another. Without any \
      the queue is ~/.local/state/segmoe/queue.sqlite, made when there is none. Pictures go to \
      OUTPUT/BATCH/JOB-INDEX.png.

      SIGTERM gives the running job back and ends the daemon, SIGHUP reads the configuration again.
      """,
    version: Version.current, subcommands: [CheckConfig.self])

  @Option(help: "The queue's database.")
  var database: String?

  @Option(help: "Folder for pictures; without it `images` beside the database.")
  var output: String?

  @Option(
    name: .customLong("models"),
    help: "A folder of models; may be given again. Jobs may then only use models below these folders.")
  var models: [String] = []

  @Option(
    name: .customLong("inputs"),
    help:
      "A folder of pictures to start from; may be given again. Jobs may then only use pictures below these.")
  var inputs: [String] = []

  @Option(
    help: ArgumentHelp(
      "Memory that the daemon may take in all, e.g. 4GiB; without it what the machine has left.",
      valueName: "size"))
  var memoryBudget: ByteCount?

  @Option(
    help: ArgumentHelp(
      "Pictures of one model and size that go through it together, 1 to 64; without it up to 4, where "
        + "memory is short.", valueName: "count"))
  var coalesce: Int?

  @Option(help: "Which weights leave first where memory is short: lru, next-use or pin-first.")
  var cachePolicy: CachePolicy?

  @Option(help: "Threads that compute; without it one per processor.")
  var threads: Int?

  @Option(help: "This daemon's name, if several share a database; without it the host's.")
  var worker: String?

  @Option(help: "What to log: trace, debug, info, notice, warning, error or critical.")
  var logLevel: Logger.Level?

  @Flag(help: "Render what is queued, then end.")
  var drain = false

  @Option(help: ArgumentHelp("Configuration in YAML.", valueName: "file"))
  var config: String?

  mutating func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads \(threads) is out of range; use 1 to 1024")
    }
    if let coalesce, !(1...64).contains(coalesce) {
      throw ValidationError("--coalesce \(coalesce) is out of range; use 1 to 64")
    }
  }

  func run() async throws {
    let environment = ProcessInfo.processInfo.environment
    let settings = try settings(environment)
    let threshold = LogThreshold(settings.logLevel)
    let journal = Journal.hears(environment: environment) ? Journal() : nil
    LoggingSystem.bootstrap { _ in ServiceLog(threshold: threshold, journal: journal) }
    let log = Logger(label: "segmoed")
    // Until somebody listens, below: opening the queue may take long, and must not end by it.
    signal(SIGHUP, SIG_IGN)
    let reporter = ServiceReporter(environment: environment)
    reporter.starting(seconds: Self.secondsToOpen(settings.database))
    let worker = try Worker(settings, log: log, reporter: reporter)
    log.info("ready, queue \(settings.database), pictures \(settings.output)")
    let hadFile = FileManager.default.fileExists(atPath: DaemonConfiguration.standardFile)
    let hangup = HangupSignal {
      reporter.reload { reload(worker, threshold, environment, log, hadFile: hadFile) }
    }
    var group = ServiceGroupConfiguration(
      services: [
        .init(
          service: RenderService(worker: worker, log: log),
          successTerminationBehavior: .gracefullyShutdownGroup)
      ],
      gracefulShutdownSignals: [.sigterm, .sigint], logger: log)
    group.maximumGracefulShutdownDuration = .seconds(5)
    try await ServiceGroup(configuration: group).run()
    hangup.end()
  }

  /// What flags, environment and file say together.
  /// - Parameter hadFile: the standard file was there before.
  private func settings(_ environment: [String: String], hadFile: Bool = false) throws -> DaemonSettings {
    let file =
      try config.map { try DaemonConfiguration(reading: $0) }
      ?? DaemonConfiguration(standardAt: DaemonConfiguration.standardFile, wasThere: hadFile)
    let layers = [flags, try DaemonConfiguration(environment: environment), file]
    return layers.reduce(DaemonConfiguration()) { $0.over($1) }
      .settings(environment: environment, drain: drain)
  }

  private var flags: DaemonConfiguration {
    var flags = DaemonConfiguration()
    flags.database = database.map(absolute)
    flags.output = output.map(absolute)
    flags.models = models.isEmpty ? nil : models.map(absolute)
    flags.inputs = inputs.isEmpty ? nil : inputs.map(absolute)
    flags.memoryBudget = memoryBudget?.bytes
    flags.coalesce = coalesce
    flags.cachePolicy = cachePolicy
    flags.threads = threads
    flags.worker = worker
    flags.logLevel = logLevel
    return flags
  }

  private func reload(
    _ worker: Worker, _ threshold: LogThreshold, _ environment: [String: String], _ log: Logger,
    hadFile: Bool
  ) {
    do {
      let new = try settings(environment, hadFile: hadFile)
      threshold.level = new.logLevel
      worker.reload(new)
      log.notice("configuration read again")
    } catch {
      log.error("the configuration stays as it was: \(error)")
    }
  }

  /// What opening the queue may take: migrating copies it first, at 10 MB a second on a slow disk.
  private static func secondsToOpen(_ path: String) -> Double {
    var status = stat()
    return 60 + (stat(path, &status) == 0 ? Double(status.st_size) / 10e6 : 0)
  }

  private func absolute(_ path: String) -> String { URL(fileURLWithPath: path).path }
}

extension Logger.Level: @retroactive ExpressibleByArgument {}

extension CachePolicy: ExpressibleByArgument {}
