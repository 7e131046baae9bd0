import ArgumentParser
import Boundary
import CommandLine
import Dispatch
import Fetching
import Foundation
import HTTP
import Hub
import JobStore
import Logging
import PostgresStore
import Release
import RenderDaemon
import Requests

/// The fetcher: brings what queued jobs name of a hub. The only program of the service that has a network.
struct FetchCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "fetch",
    abstract: "Fetch what queued jobs name of a hub, until it is stopped.",
    discussion: """
      The service's segmoe-fetch.service runs it; `segmoed --fetch` runs it beside the daemon. What may be fetched is \
      said under `fetch` in the configuration file. Tokens, sites and the cache come from the environment, as for \
      `segmoe pull` (HF_TOKEN, HF_ENDPOINT, HF_HOME, CIVITAI_API_TOKEN, …).
      """)

  @OptionGroup var shared: SharedOptions

  /// Of the daemon that started it: it ends with that.
  @Option(help: .hidden)
  var beside: Int32?

  func run() throws {
    let environment = ProcessInfo.processInfo.environment
    let settings = try shared.flags.over(DaemonConfiguration(environment: environment))
      .over(
        shared.config.map { try DaemonConfiguration(reading: $0) }
          ?? DaemonConfiguration(standardAt: DaemonConfiguration.standardFile)
      )
      .settings(environment: environment)
    let threshold = LogThreshold(settings.logLevel)
    let journal = Journal.hears(environment: environment) ? Journal() : nil
    LoggingSystem.bootstrap { _ in ServiceLog(threshold: threshold, journal: journal) }
    let log = Logger(label: "segmoe-fetch")
    let hub = try HubPlaces(settings, environment: environment).settings()
    let session: any JobFetcher
    do {
      session = try Self.signOn(to: settings.database)
    } catch let error as JobStoreError {
      throw error.atStart
    }
    let fetcher = SourceFetcher(
      settings: FetchSettings(
        database: settings.database, hub: hub, limits: settings.sourceLimits,
        modelFolders: settings.modelFolders),
      session: session, transport: CurlTransport(trust: hub.trust), log: log)
    let signals = [SIGTERM, SIGINT].map { StopListener($0) { fetcher.requestStop() } }
    let parent = ParentWatch(of: beside) { fetcher.requestStop() }
    defer { withExtendedLifetime((signals, parent)) {} }
    log.info("ready, queue \(session.queue.path), cache \(hub.cache)")
    try fetcher.run()
  }

  /// Signs the fetcher on to a queue, wherever it is.
  /// - Throws: `JobStoreError`
  private static func signOn(to database: String) throws -> any JobFetcher {
    let record = FetcherRecord(
      pid: Int(getpid()), host: ProcessInfo.processInfo.hostName, version: Version.current)
    func isAlive(_ fetcher: FetcherRecord) -> Bool { WorkerProcess.isAlive(WorkerRecord(fetcher)) }
    guard QueueDatabase.isServer(database) else {
      return try FetcherSession.signOn(
        QueueDatabase.open(path: database, role: .client), record, processIsAlive: isAlive)
    }
    return try PostgresFetcher.signOn(
      PostgresDatabase.open(ServerAddress(database), role: .client), record, processIsAlive: isAlive)
  }
}

extension WorkerRecord {
  /// A fetcher's process, to be looked for as a worker's is.
  init(_ fetcher: FetcherRecord) {
    self.init(
      name: fetcher.name, pid: fetcher.pid, host: fetcher.host, version: fetcher.version,
      startedAt: fetcher.startedAt, heartbeatAt: fetcher.heartbeatAt)
  }
}

/// Where models of a hub are kept: for a service in a folder of its own, for a person where the environment says.
struct HubPlaces {
  private let folder: String?
  private let environment: [String: String]

  init(_ settings: DaemonSettings, environment: [String: String]) {
    folder = settings.hub
    self.environment = environment
  }

  /// - Throws: `HubError.setting`
  func settings() throws(HubError) -> HubSettings {
    var environment = environment
    if let folder {
      // Hugging Face's programs take a folder of anybody else in theirs for a damaged one.
      environment["HF_HUB_CACHE"] = folder + "/hub"
      environment[HubSettings.cacheVariable] = folder
    }
    return try HubSettings(environment: environment, home: environment["HOME"] ?? NSHomeDirectory())
  }
}

/// Does something when a signal comes that would have ended the process.
private final class StopListener {
  private let source: any DispatchSourceSignal

  init(_ number: Int32, _ body: @escaping @Sendable () -> Void) {
    signal(number, SIG_IGN)
    source = DispatchSource.makeSignalSource(signal: number, queue: DispatchQueue(label: "segmoe-fetch-stop"))
    source.setEventHandler(handler: body)
    source.resume()
  }

  deinit { source.cancel() }
}

/// Does something once the process that started this one is gone, however it ended.
private final class ParentWatch {
  private let timer: (any DispatchSourceTimer)?

  /// - Parameter parent: its number; nil: there is none to watch.
  init(of parent: Int32?, _ body: @escaping @Sendable () -> Void) {
    timer = parent.map { parent in
      let timer = DispatchSource.makeTimerSource(queue: DispatchQueue(label: "segmoe-fetch-parent"))
      timer.schedule(deadline: .now(), repeating: 0.5)
      timer.setEventHandler { if getppid() != parent { body() } }
      timer.resume()
      return timer
    }
  }

  deinit { timer?.cancel() }
}

extension HubError: ExitCoded {
  package var exit: ProgramExit { kind == .usage ? .usage : .unavailable }
}
