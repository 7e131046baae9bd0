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
      Settings come from the options, then from the environment ($SEGMOE_DATABASE, $SEGMOE_OUTPUT, …), then \
      from the configuration file. The default queue is ~/.local/state/segmoe/queue.sqlite, which is created \
      if it does not exist. Pictures are written to OUTPUT/BATCH/JOB-INDEX.png.

      On SIGTERM the daemon gives the running job back and ends. On SIGHUP it reads the configuration again.
      """,
    version: Version.current, subcommands: [CheckConfig.self, FetchCommand.self])

  @OptionGroup var shared: SharedOptions

  @Option(help: "Folder for pictures (default: `images` beside the database).")
  var output: String?

  @Option(
    name: .customLong("inputs"),
    help:
      "A folder of pictures to start from. May be repeated. Jobs may then only use pictures below these.")
  var inputs: [String] = []

  @Option(
    name: .customLong("shared"),
    help: ArgumentHelp(
      "Where machines share files: a folder or s3://BUCKET/PREFIX. For a queue of PostgreSQL.",
      valueName: "dir|address"))
  var sharedPlace: String?

  @Option(
    help: ArgumentHelp(
      "The most memory that the daemon may take, such as 4GiB (default: what the machine has left).",
      valueName: "size"))
  var memoryBudget: ByteCount?

  @Option(
    help: ArgumentHelp(
      "How many pictures of one model and size go through the model together, 1 to 64 (default: up to 4 if "
        + "memory is short).", valueName: "count"))
  var coalesce: Int?

  @Option(help: "Which weights are evicted first if memory is short (default: next-use).")
  var cachePolicy: CachePolicy?

  @Option(help: "Computing threads (default: one per processor).")
  var threads: Int?

  @Option(
    help: ArgumentHelp(
      "How many jobs are at work side by side, each with its share of the threads (default: 1).",
      valueName: "count"))
  var jobs: Int?

  @Option(help: "This daemon's name, if several share a database (default: the host's name).")
  var worker: String?

  @Flag(help: "Render what is queued, then exit: with 1 if a job failed meanwhile.")
  var drain = false

  @Flag(
    help: "Also fetch what jobs name of a hub, by a process beside the daemon. A service has a unit for that."
  )
  var fetch = false

  mutating func validate() throws {
    if let threads, !(1...1024).contains(threads) {
      throw ValidationError("--threads \(threads) is out of range; use 1 to 1024")
    }
    if let jobs, !DaemonConfiguration.Range.jobs.contains(jobs) {
      throw ValidationError("--jobs \(jobs) is out of range; use 1 to the number of threads")
    }
    if let coalesce, !(1...64).contains(coalesce) {
      throw ValidationError("--coalesce \(coalesce) is out of range; use 1 to 64")
    }
  }

  func run() async throws {
    let environment = ProcessInfo.processInfo.environment
    let settings = try settings(environment)
    try SettingsCheck(settings: settings, environment: environment, unit: nil, root: "").refuse()
    let threshold = LogThreshold(settings.logLevel)
    let journal = Journal.hears(environment: environment) ? Journal() : nil
    LoggingSystem.bootstrap { _ in ServiceLog(threshold: threshold, journal: journal) }
    let log = Logger(label: "segmoed")
    // Until somebody listens, below: opening the queue may take long, and SIGHUP must not end the daemon.
    signal(SIGHUP, SIG_IGN)
    let reporter = ServiceReporter(environment: environment)
    reporter.starting(seconds: Self.secondsToOpen(settings.database))
    let worker: Worker
    do {
      worker = try Worker(settings, log: log, reporter: reporter)
    } catch let error as JobStoreError {
      throw error.atStart
    }
    if !QueueDatabase.isServer(settings.database) {
      for flaw in QueueRights(of: settings.database).flaws {
        log.warning("\(flaw.path) is not for members of its group: \(flaw.fault); \(flaw.mend)")
      }
    }
    log.info("ready, queue \(worker.client.path), pictures \(settings.output)")
    let hadFile = FileManager.default.fileExists(atPath: DaemonConfiguration.standardFile)
    let reloads = await ReloadService(reporter) { [self] in
      reload(worker, threshold, environment, log, hadFile: hadFile)
    }
    let child = try fetcher(settings, log)
    if settings.drain { child?.waitUntilReady(worker.client) }
    defer { child?.stop() }
    var group = ServiceGroupConfiguration(
      services: [
        .init(service: reloads),
        .init(
          service: RenderService(worker: worker, log: log),
          successTerminationBehavior: .gracefullyShutdownGroup),
      ],
      gracefulShutdownSignals: [.sigterm, .sigint], logger: log)
    group.maximumGracefulShutdownDuration = .seconds(5)
    try await ServiceGroup(configuration: group).run()
    if settings.drain, worker.failedJobs > 0 { throw ExitCode.failure }
  }

  /// The settings from options, environment and file.
  /// - Parameters:
  ///   - environment: the environment variables.
  ///   - hadFile: whether the standard file was there before.
  private func settings(_ environment: [String: String], hadFile: Bool = false) throws -> DaemonSettings {
    let file =
      try shared.config.map { try DaemonConfiguration(reading: $0) }
      ?? DaemonConfiguration(standardAt: DaemonConfiguration.standardFile, wasThere: hadFile)
    let layers = [flags, try DaemonConfiguration(environment: environment), file]
    var settings = layers.reduce(DaemonConfiguration()) { $0.over($1) }
      .settings(environment: environment, drain: drain)
    if settings.hub == nil, let hub = try? HubPlaces(settings, environment: environment).settings() {
      settings.caches = [hub.cache, hub.ownCache]
    }
    return settings
  }

  /// The fetcher beside the daemon, started; nil: none was asked for.
  private func fetcher(_ settings: DaemonSettings, _ log: Logger) throws -> FetchChild? {
    guard fetch else { return nil }
    // An address may have a password, which is for nobody to see among a process's arguments.
    var environment = ProcessInfo.processInfo.environment
    environment["SEGMOE_DATABASE"] = settings.database
    let arguments =
      ["--log-level", settings.logLevel.rawValue]
      + settings.modelFolders.flatMap { ["--models", $0] } + (shared.config.map { ["--config", $0] } ?? [])
    let child = FetchChild(arguments: arguments, environment: environment, log: log)
    try child.start()
    return child
  }

  /// The settings of the options.
  var flags: DaemonConfiguration {
    var flags = shared.flags
    flags.output = output.map(absolutePath)
    flags.inputs = inputs.isEmpty ? nil : inputs.map(absolutePath)
    flags.shared = sharedPlace.map { $0.contains("://") ? $0 : absolutePath($0) }
    flags.memoryBudget = memoryBudget?.bytes
    flags.coalesce = coalesce
    flags.cachePolicy = cachePolicy
    flags.threads = threads
    flags.jobs = jobs
    flags.worker = worker
    return flags
  }

  private func reload(
    _ worker: Worker, _ threshold: LogThreshold, _ environment: [String: String], _ log: Logger,
    hadFile: Bool
  ) {
    do {
      let new = try settings(environment, hadFile: hadFile)
      try SettingsCheck(settings: new, environment: environment, unit: nil, root: "").refuse()
      threshold.level = new.logLevel
      worker.reload(new)
      log.notice("configuration read again")
    } catch let problem as Problem {
      log.error("the configuration stays as it was: \(problem.message)")
    } catch {
      log.error("the configuration stays as it was: \(error)")
    }
  }

  /// Seconds that opening the queue may take. A migration copies it first, on a slow disk at 10 MB per second.
  private static func secondsToOpen(_ path: String) -> Double {
    var status = stat()
    return 60 + (stat(path, &status) == 0 ? Double(status.st_size) / 10e6 : 0)
  }
}

extension CachePolicy: ExpressibleByArgument {}
