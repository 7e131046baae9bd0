import Boundary
import Checkpoints
import Diffusion
import Foundation
import JobStore
import Logging
import Release
import SharedFiles
import Synchronization
import Tensors
import WeightCache

/// Claims jobs and renders them: each of its loops (`WorkLoop`) has a thread of its own, and renders one job after
/// another or several together.
package final class Worker: Sendable {
  let settings: DaemonSettings
  /// The settings, and how often a reload changed them.
  let current: Mutex<(settings: DaemonSettings, reloads: Int)>
  let session: any JobWorker
  /// The session on a connection for the threads that report and renew leases.
  let side: any JobWorker
  let reports: Reports
  let log: Logger
  let keeper: LeaseKeeper
  /// nil: the queue has no index of prompts.
  private let indexer: PromptIndexer?
  let register: ModelRegister
  let stop: StopSignal
  let lastStep = LastStep()
  /// For resume states.
  let seal: SealingKey
  let reporter: ServiceReporter
  let metrics: DaemonMetrics
  let governor: MemoryGovernor
  /// The loaded models.
  let shelf: ModelShelf
  /// What it could not load.
  let lacked = Mutex(LackedModels())
  /// What the loop knows that looks for a job.
  let lookout: Turn<Lookout>
  /// How many loops have jobs at work, and how often one's work was over.
  let atWork = Mutex((jobs: 0, ended: 0))
  let output: OutputFolder
  /// Where machines share files; nil: nowhere.
  let shared: SharedPlace?
  /// Jobs that failed, counted at the end of a drain.
  let failures = Mutex(0)

  /// - Parameters:
  ///   - settings: of the daemon.
  ///   - log: gets what the worker does.
  ///   - reporter: informs the service manager; by default there is none.
  ///   - trace: gets every SQL statement of the worker; by default nobody does.
  /// - Throws: `JobStoreError` if the database cannot be opened or another daemon has this name; `SharedError` if the
  ///   shared place is none.
  package init(
    _ settings: DaemonSettings, log: Logger, reporter: ServiceReporter = ServiceReporter(),
    trace: (@Sendable (String) -> Void)? = nil
  ) throws {
    let stop = StopSignal()
    self.stop = stop
    self.settings = settings
    current = Mutex((settings, 0))
    self.reporter = reporter
    metrics = DaemonMetrics(worker: settings.worker)
    governor = MemoryGovernor(
      budget: MemoryBudget.chosen(given: settings.memoryBudget), policy: settings.cachePolicy)
    var log = log
    log[metadataKey: "worker"] = "\(settings.worker)"
    self.log = log
    shared = try settings.sharedPlace(environment: ProcessInfo.processInfo.environment)
    try shared?.prepareCache()
    let place = try QueueOpening(settings.database, trace: trace)
    do {
      try place.prepareFolder(of: settings.privateFolder)
      seal = try PrivateFolder(path: settings.privateFolder).sealingKey()
    } catch {
      log.warning("no render is taken up after a restart: \(error)")
      seal = SealingKey()
    }
    session = try place.signOn(
      WorkerRecord(
        name: settings.worker, pid: Int(getpid()), host: ProcessInfo.processInfo.hostName,
        processSpace: ProcessSpace.current, version: Version.current,
        numerics: NumericsClass.inUse.description),
      leaseSeconds: settings.leaseSeconds,
      introduction: Self.introduction(governor, ModelLocator(folders: settings.modelFolders)))
    side = try session.beside()
    reports = Reports(session: side, stop: stop, reporter: reporter, log: log)
    keeper = LeaseKeeper(session: side, log: log)
    indexer = (side as? WorkerSession).map { PromptIndexer(session: $0, log: log) }
    register = ModelRegister(
      session: side, folders: settings.modelFolders, allowed: settings.allowedFolders, log: log)
    output = OutputFolder(path: settings.output, session: session, log: log)
    shelf = ModelShelf(Self.pool(settings, governor))
    lookout = Turn(Lookout(settings, reloads: 0))
    for aside in place.setAside where aside.at > Date().milliseconds - 60_000 {
      log.warning(
        "table \(aside.table): a row was wrong and has been set aside (table set_aside): \(aside.row)")
    }
  }

  /// How many jobs failed while it drained the queue; 0 until it signs off.
  package var failedJobs: Int { failures.withLock { $0 } }

  /// The queue, for whoever only looks at it.
  package var client: any JobQueue { session.queue }

  /// Asks the worker to stop. Running jobs are given back, each at its next step, and `run` returns.
  package func requestStop() {
    reporter.stopping()
    halt()
  }

  /// Ends all loops, each after the step that it is in.
  func halt() {
    stop.request()
    lookout.close()
    shelf.close()
    shared?.interrupt()
  }

  /// Changes the settings that can change while it runs (models, memory budget, limits). They count from the next job
  /// on.
  package func reload(_ new: DaemonSettings) {
    let ignored = current.withLock { current in
      current.reloads += 1
      return current.settings.reload(new)
    }
    for key in ignored { log.warning("\(key) has changed, which needs a restart") }
  }

  /// Signs off for a worker that is in a long step, from another thread: saves the states of the pictures at work,
  /// and gives the running jobs back.
  func abandon() {
    for lease in session.leases {
      do {
        try lastStep.take(job: lease.job) { picture, held in
          guard held.denoising.step > 0 else { return }
          try session.keep(
            Data(held.renderer.resumeState(held.denoising, of: held.request, seal: seal)),
            step: held.denoising.step,
            index: picture.index, modelDigest: held.renderer.model.digest, waiting: nil, lease)
        }
      } catch {
        // An older checkpoint is enough. If the lease is lost, giving the job back reports it.
        log.warning("job \(lease.job): no checkpoint at the stop: \(error)", metadata: lease.fields)
      }
      do {
        try giveBack(lease, session)
      } catch {
        log.error("cannot give job \(lease.job) back: \(error)", metadata: lease.fields)
      }
    }
    do {
      try session.signOff()
    } catch {
      log.warning("cannot sign off: \(error)")
    }
  }

  /// Works until it is asked to stop or, when draining, until nothing is left to render.
  /// - Throws: `JobStoreError` if the queue cannot be used any more.
  package func run() throws {
    // Of a queue on a server every machine would tell the same: `segmoectl status --prometheus` does it once.
    let counted = QueueDatabase.isServer(settings.database) ? nil : session.queue
    let writer = settings.metrics.map {
      MetricsWriter(path: $0, queue: counted, metrics: metrics, log: log)
    }
    defer {
      reports.end()
      keeper.end()
      indexer?.end()
      register.end(finishing: settings.drain && !stop.isRequested)
      writer?.end()
      signOff()
    }
    try reports.start()
    try keeper.start()
    try indexer?.start()
    try register.start()
    try writer?.start()
    let loops = try makeLoops()
    output.removeTemporaries()
    sayBudget()
    reporter.ready()
    try run(loops)
  }

  /// No model yet.
  private static func pool(_ settings: DaemonSettings, _ governor: MemoryGovernor) -> ModelPool {
    var pool = ModelPool(
      locator: ModelLocator(folders: settings.allowedFolders), governor: governor,
      capacity: max(2, settings.jobs))
    pool.inputs = ModelLocator(folders: settings.allowedInputs)
    pool.limits = settings.limits
    pool.digests = DigestMemory(folder: settings.digestFolder)
    pool.previewVAEs = PreviewAutoencoders(settings.previewVAE)
    return pool
  }

  /// What people should know of a worker: its memory, and the models that it finds.
  static func introduction(_ governor: MemoryGovernor, _ locator: ModelLocator) -> String {
    let budget = governor.budget.map { "memory budget \($0), " } ?? ""
    return budget + "models: " + (locator.names ?? "wherever a job says")
  }

  /// Logs the memory budget.
  func sayBudget() {
    log.info(
      "memory budget \(governor.budget.map { "\($0)" } ?? "none: the system says nothing of its memory")")
  }
}
