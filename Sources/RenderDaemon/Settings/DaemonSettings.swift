import Foundation
import JobStore
import Logging
import Requests
import SharedFiles
import Tensors
import WeightCache

/// How one daemon runs.
package struct DaemonSettings: Sendable, Equatable {
  /// Path of the queue's database.
  package var database: String
  /// Folder of pictures. Each batch has a folder in it.
  package var output: String
  /// Folders in which models are found by name. Jobs may only use models below them. If there are none, jobs may use
  /// any model that the daemon can read.
  package var modelFolders: [String]
  /// Memory budget of the process in bytes; nil means what the machine has left.
  package var memoryBudget: Int?
  /// Number of computing threads; nil means one per usable processor.
  package var threads: Int?
  /// How many jobs are at work side by side, each with its share of the threads.
  package var jobs = 1
  /// The daemon's name, which tells daemons on one database apart.
  package var worker: String
  /// Whether the daemon ends when the queue is empty.
  package var drain: Bool
  /// Seconds after the last heartbeat until another daemon may take a job.
  package var leaseSeconds: Double
  /// Seconds after which a job fails whose model no living daemon has had.
  package var modelPatience = 300.0
  /// Seconds that a job with a resume state waits for a daemon of its class of numerics.
  package var numericsPatience = WorkerSession.usualNumericsPatience
  /// Seconds from one look at the database to the next while idle.
  var pollSeconds: Double
  /// Steps from one saved resume state to the next. nil means as often as writing them takes less than a hundredth of
  /// the time.
  package var checkpointSteps: Int?
  /// Whether small pictures of what is at work are stored in the queue.
  package var previews = true
  /// The tiny autoencoders that decode them.
  package var previewVAE = PreviewVAENames()
  /// How many pictures of one model and size may go through the model together. nil means a few, and only if the
  /// model's weights do not fit into the memory budget.
  package var coalesce: Int?
  /// The limits of a job.
  package var limits = RenderLimits()
  /// Folders in which the pictures that jobs start from must be; if empty, they may be anywhere.
  package var inputFolders: [String] = []
  /// Which weights are evicted first.
  package var cachePolicy = CachePolicy.nextUse
  /// The lowest level that is logged.
  package var logLevel = Logger.Level.info
  /// Path of a metrics file for Prometheus's node exporter; nil for none.
  package var metrics: String?
  /// A folder that only this daemon can read, for the key that resume states are sealed with.
  package var privateFolder: String
  /// The folder of hashes of models' files that were loaded before; nil: one in the private folder.
  package var digests: String?
  /// The folder in which the fetcher keeps models of a hub; nil: where the environment says, as for Hugging Face's
  /// programs.
  package var hub: String?
  /// More folders in which it keeps them.
  package var caches: [String] = []
  /// What the fetcher may bring.
  package var sourceLimits = SourceLimits()
  /// Where machines share files; nil: nowhere.
  package var shared: String?
  /// The folder of what came from there.
  package var sharedCache = ""

  /// The folders that jobs may use models of; empty: any.
  package var allowedFolders: [String] {
    modelFolders.isEmpty ? [] : modelFolders + (hub.map { [$0] } ?? []) + caches + sharedCaches
  }

  /// Where hashes of models' files are kept.
  package var digestFolder: String { digests ?? privateFolder + "/digests" }

  /// The folders that jobs may use pictures of; empty: any.
  package var allowedInputs: [String] { inputFolders.isEmpty ? [] : inputFolders + sharedCaches }

  /// The place where machines share files; nil: there is none.
  /// - Parameter environment: has the keys of a bucket.
  /// - Throws: `SharedError.address`, `.credentials`
  package func sharedPlace(environment: [String: String]) throws -> SharedPlace? {
    try shared.map {
      try SharedPlace(SharedAddress($0), cache: sharedCache, environment: environment)
    }
  }

  private var sharedCaches: [String] {
    shared == nil ? [] : SharedPlace.folders(inCache: sharedCache)
  }

  /// How many threads all jobs have together.
  package var allThreads: Int { threads ?? ProcessorLimit.current }

  /// The threads of one of the jobs that are at work side by side: its share of all, and one at least.
  /// - Parameter index: which job, from 0. The first ones have what cannot be shared out evenly.
  package func threads(ofJob index: Int) -> Int {
    max(1, allThreads / max(1, jobs) + (index < allThreads % max(1, jobs) ? 1 : 0))
  }

  package init(
    database: String, output: String, modelFolders: [String] = [], memoryBudget: Int? = nil,
    threads: Int? = nil, worker: String? = nil, drain: Bool = false, leaseSeconds: Double = 60,
    pollSeconds: Double = 0.01
  ) {
    self.database = database
    privateFolder = database + ".private"
    self.output = output
    self.modelFolders = modelFolders
    self.memoryBudget = memoryBudget
    self.threads = threads
    self.worker = worker ?? ProcessInfo.processInfo.hostName
    self.drain = drain
    self.leaseSeconds = leaseSeconds
    self.pollSeconds = pollSeconds
  }

  /// Applies the settings that can change while the daemon runs.
  /// - Returns: the names of changed settings that need a restart.
  package mutating func reload(_ new: DaemonSettings) -> [String] {
    var ignored: [String] = []
    if new.database != database { ignored.append("database") }
    if new.output != output { ignored.append("output") }
    if new.threads != threads { ignored.append("threads") }
    if new.jobs != jobs { ignored.append("jobs") }
    if new.worker != worker { ignored.append("worker") }
    if new.leaseSeconds != leaseSeconds { ignored.append("lease_seconds") }
    if new.checkpointSteps != checkpointSteps { ignored.append("checkpoint_steps") }
    if new.previews != previews { ignored.append("previews") }
    if new.previewVAE != previewVAE { ignored.append("preview_vae") }
    if new.coalesce != coalesce { ignored.append("coalesce") }
    if new.cachePolicy != cachePolicy { ignored.append("cache_policy") }
    if new.metrics != metrics { ignored.append("metrics") }
    if new.privateFolder != privateFolder { ignored.append("private_folder") }
    if new.privateFolder == privateFolder, new.digestFolder != digestFolder { ignored.append("digests") }
    if new.hub != hub { ignored.append("hub") }
    if new.shared != shared || new.sharedCache != sharedCache { ignored.append("shared") }
    if new.sourceLimits != sourceLimits { ignored.append("fetch") }
    modelFolders = new.modelFolders
    inputFolders = new.inputFolders
    memoryBudget = new.memoryBudget
    limits = new.limits
    modelPatience = new.modelPatience
    numericsPatience = new.numericsPatience
    logLevel = new.logLevel
    return ignored
  }
}
