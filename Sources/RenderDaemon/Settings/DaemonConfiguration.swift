import Boundary
import Foundation
import JobStore
import Logging
import Requests
import SharedFiles
import WeightCache

/// The daemon's settings in one source: the file, the environment or the command line. A setting that the source does
/// not have is nil.
package struct DaemonConfiguration: Sendable, Equatable {
  package var database: String?
  package var output: String?
  package var models: [String]?
  /// Folders of the pictures that jobs may start from.
  package var inputs: [String]?
  /// Bytes.
  package var memoryBudget: Int?
  package var threads: Int?
  /// How many jobs are at work side by side.
  package var jobs: Int?
  package var worker: String?
  package var leaseSeconds: Double?
  package var modelPatience: Double?
  package var numericsPatience: Double?
  package var checkpointSteps: Int?
  /// Whether small pictures of what is at work are stored in the queue.
  package var previews: Bool?
  /// The tiny autoencoders that decode them.
  package var previewVAE = PreviewVAENames()
  /// How many pictures may be rendered together.
  package var coalesce: Int?
  /// Which weights are evicted first.
  package var cachePolicy: CachePolicy?
  package var limits = Limits()
  package var logLevel: Logger.Level?
  /// Path of a metrics file for Prometheus's node exporter.
  package var metrics: String?
  /// A folder that only the daemon can read.
  package var privateFolder: String?
  /// The folder of hashes of models' files, which may be that of several daemons of one user.
  package var digests: String?
  /// The folder in which the fetcher keeps models of a hub.
  package var hub: String?
  package var fetch = Fetch()
  /// Where machines share files: a folder's path, or s3://BUCKET/PREFIX.
  package var shared: String?

  /// What the fetcher may bring.
  package struct Fetch: Sendable, Equatable {
    /// Owners of repositories.
    package var owners: [String]?
    package var hosts: [SourceLimits.Host]?
    /// Bytes.
    package var largest: Int?

    package init() {}
  }

  /// The limits of a job.
  package struct Limits: Sendable, Equatable {
    package var side: Int?
    package var steps: Int?
    package var count: Int?
    package var promptBytes: Int?
    package var loras: Int?

    package init() {}
  }

  package init() {}

  /// Path of the file, unless `--config` names another.
  package static let standardFile = "/etc/segmoed/config.yaml"

  /// These settings, with the other's where these are nil.
  package func over(_ other: DaemonConfiguration) -> DaemonConfiguration {
    var result = self
    result.database = database ?? other.database
    result.output = output ?? other.output
    result.models = models ?? other.models
    result.inputs = inputs ?? other.inputs
    result.memoryBudget = memoryBudget ?? other.memoryBudget
    result.threads = threads ?? other.threads
    result.jobs = jobs ?? other.jobs
    result.worker = worker ?? other.worker
    result.leaseSeconds = leaseSeconds ?? other.leaseSeconds
    result.modelPatience = modelPatience ?? other.modelPatience
    result.numericsPatience = numericsPatience ?? other.numericsPatience
    result.checkpointSteps = checkpointSteps ?? other.checkpointSteps
    result.previews = previews ?? other.previews
    result.previewVAE.sd = previewVAE.sd ?? other.previewVAE.sd
    result.previewVAE.sdxl = previewVAE.sdxl ?? other.previewVAE.sdxl
    result.coalesce = coalesce ?? other.coalesce
    result.cachePolicy = cachePolicy ?? other.cachePolicy
    result.limits.side = limits.side ?? other.limits.side
    result.limits.steps = limits.steps ?? other.limits.steps
    result.limits.count = limits.count ?? other.limits.count
    result.limits.promptBytes = limits.promptBytes ?? other.limits.promptBytes
    result.limits.loras = limits.loras ?? other.limits.loras
    result.logLevel = logLevel ?? other.logLevel
    result.metrics = metrics ?? other.metrics
    result.privateFolder = privateFolder ?? other.privateFolder
    result.digests = digests ?? other.digests
    result.hub = hub ?? other.hub
    result.shared = shared ?? other.shared
    result.fetch.owners = fetch.owners ?? other.fetch.owners
    result.fetch.hosts = fetch.hosts ?? other.fetch.hosts
    result.fetch.largest = fetch.largest ?? other.fetch.largest
    return result
  }

  /// The complete settings, with defaults for what is nil.
  ///
  /// For a service (`$STATE_DIRECTORY` is set), the queue and the folders `pictures`, `models`, `inputs` and `hub` are
  /// in its state folder. For a person, pictures are in `images` beside the queue, models and inputs may be anywhere,
  /// and models of a hub are where Hugging Face's programs keep them. Hashes of models' files are in the person's own
  /// cache, as those of `segmoe`, but for a service, or a daemon with a private folder of its own, in that folder.
  package func settings(environment: [String: String], drain: Bool = false) -> DaemonSettings {
    // SEGMOE_DATABASE is left out: it was read as a source of its own, and the command line may have overridden it.
    let usual = QueueDatabase.defaultPath(environment: environment.filter { $0.key != "SEGMOE_DATABASE" })
    let database = self.database ?? usual
    // What would lie beside the queue's file needs a place with a server, too.
    let file = QueueDatabase.isServer(database) ? usual : database
    // The service's own: group members may write in its other folder.
    let cache = environment["CACHE_DIRECTORY"]?.split(separator: ":").first.map { String($0) }
    let state = environment["STATE_DIRECTORY"]?.split(separator: ":").first.map { String($0) }
    let beside = URL(fileURLWithPath: file).deletingLastPathComponent().path
    var settings = DaemonSettings(
      database: database, output: output ?? state.map { $0 + "/pictures" } ?? beside + "/images",
      modelFolders: models ?? state.map { [$0 + "/models"] } ?? [], memoryBudget: memoryBudget,
      threads: threads, worker: worker, drain: drain, leaseSeconds: leaseSeconds ?? 60)
    settings.jobs = jobs ?? settings.jobs
    settings.checkpointSteps = checkpointSteps
    settings.previews = previews ?? settings.previews
    settings.previewVAE = previewVAE
    settings.coalesce = coalesce
    settings.modelPatience = modelPatience ?? settings.modelPatience
    settings.numericsPatience = numericsPatience ?? settings.numericsPatience
    settings.cachePolicy = cachePolicy ?? settings.cachePolicy
    let standard = settings.limits
    settings.limits.side = limits.side ?? standard.side
    settings.limits.steps = limits.steps ?? standard.steps
    settings.limits.count = limits.count ?? standard.count
    settings.limits.promptBytes = limits.promptBytes ?? standard.promptBytes
    settings.limits.loras = limits.loras ?? standard.loras
    settings.logLevel = logLevel ?? .info
    settings.metrics = metrics
    settings.privateFolder = privateFolder ?? file + ".private"
    // A person's programs have their hashes in common, as on a node that renders one shard after the other.
    let isPersons = state == nil && privateFolder == nil
    settings.digests =
      digests ?? (isPersons ? BaseFolders(environment: environment).ownCache.map { $0 + "/digests" } : nil)
    settings.inputFolders = inputs ?? state.map { [$0 + "/inputs"] } ?? []
    settings.hub = hub ?? state.map { $0 + "/hub" }
    settings.sourceLimits.owners = fetch.owners.map { Set($0.map { $0.lowercased() }) }
    settings.sourceLimits.hosts = fetch.hosts.map { Set($0) } ?? settings.sourceLimits.hosts
    settings.sourceLimits.largest = fetch.largest ?? settings.sourceLimits.largest
    // What is local stays local: whoever shares a queue in a file shares its folders, too.
    settings.shared = QueueDatabase.isServer(database) ? shared : nil
    settings.sharedCache =
      (cache ?? state).map { $0 + "/shared" } ?? SharedPlace.cacheFolder(environment) ?? beside + "/shared"
    return settings
  }

  /// The range of each number, the same for all sources.
  package enum Range {
    static let threads = 1...1024
    /// No more than there are threads, which the settings as a whole tell.
    package static let jobs = 1...1024
    static let leaseSeconds = 1...86_400
    static let modelPatience = 0...31_536_000
    static let numericsPatience = 0...31_536_000
    static let checkpointSteps = 1...100_000
    static let coalesce = 1...64
    /// Bytes of a name.
    static let previewVAE = 1...4096
    static let side = 8...16_384
    static let steps = 1...100_000
    static let count = 1...1_000_000
    static let promptBytes = 1...1_048_576
    static let loras = 0...1000
  }
}
