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

/// Claims jobs and renders them on a thread of its own, one after another or several together.
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
  private let register: ModelRegister
  let stop: StopSignal
  private let lastStep = LastStep()
  /// For resume states.
  private let seal: SealingKey
  let reporter: ServiceReporter
  let metrics: DaemonMetrics
  private let governor: MemoryGovernor
  /// Where machines share files; nil: nowhere.
  private let shared: SharedPlace?
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
    for aside in place.setAside where aside.at > Date().milliseconds - 60_000 {
      log.warning(
        "table \(aside.table): a row was wrong and has been set aside (table set_aside): \(aside.row)")
    }
  }

  /// How many jobs failed while it drained the queue; 0 until it signs off.
  package var failedJobs: Int { failures.withLock { $0 } }

  /// The queue, for whoever only looks at it.
  package var client: any JobQueue { session.queue }

  /// Asks the worker to stop. The running job is given back at the next step, and `run` returns.
  package func requestStop() {
    reporter.stopping()
    stop.request()
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
    let compute = Compute(threads: settings.threads)
    let renderer = JobRenderer(
      session: session, reports: reports, side: side, compute: compute, output: settings.output,
      hasSharedNames: QueueDatabase.isServer(settings.database), shared: shared,
      mostShared: settings.sourceLimits.largest,
      lastStep: lastStep,
      stop: stop, reporter: reporter, seal: seal, checkpointSteps: settings.checkpointSteps,
      previews: settings.previews, waitsForRoom: !settings.drain, metrics: metrics, log: log)
    let output = OutputFolder(path: settings.output, session: session, log: log)
    output.removeTemporaries()
    var pool = ModelPool(locator: ModelLocator(folders: settings.allowedFolders), governor: governor)
    pool.inputs = ModelLocator(folders: settings.allowedInputs)
    pool.limits = settings.limits
    pool.digests = PrivateFolder(path: settings.privateFolder).digests
    pool.previewVAEs = PreviewAutoencoders(settings.previewVAE)
    var (current, reloads) = self.current.withLock { $0 }
    var pace = LookPace(settings)
    var clock = ClockWatch()
    var jump: ClockWatch.Jump?
    var lacked = LackedModels()
    var introduction = Introduction()
    var given = settings.memoryBudget
    sayBudget()
    reporter.ready()
    while !stop.isRequested {
      output.settleLeftovers()
      let latest = self.current.withLock { $0 }
      if latest.reloads != reloads {
        (current, reloads) = latest
        pool.locator = ModelLocator(folders: current.allowedFolders, places: pool.locator.places)
        pool.inputs = ModelLocator(folders: current.allowedInputs)
        pool.limits = current.limits
        register.use(folders: current.modelFolders, allowed: current.allowedFolders)
        if current.memoryBudget != given {
          given = current.memoryBudget
          governor.setBudget(MemoryBudget.chosen(given: given))
          sayBudget()
        }
      }
      try checkQueue()
      if (jump ?? clock.jump()) == .forward {
        log.warning("the clock was set forward, or the machine slept: leases count from now")
        guard try persistently({ try session.extendLeases() }) != nil else { return }
      }
      guard let local = try persistently({ try session.takeLocalSources(pool.locator.hasNamed) }) else {
        return
      }
      for name in local { log.info("'\(name)' is in a model folder: it is not fetched") }
      try takeArrivals(&pool.locator, &lacked)
      for thing in lacked.look(pool.locator) {
        guard try persistently({ try session.expect(thing) }) != nil else { return }
      }
      if let text = introduction.news(Self.introduction(governor, pool.locator)) {
        guard try persistently({ try session.introduce(text) }) != nil else { return }
      }
      guard
        let seen = try persistently({ try session.changeMark() }),
        let claimed = try persistently({
          try session.claim(
            preferredModels: pool.names, avoiding: lacked.all,
            modelPatience: settings.drain ? 0 : current.modelPatience,
            numericsPatience: numericsPatience(current), limits: current.limits)
        })
      else { return }
      guard let claimed else {
        // What became due since the claim is seen by the next one.
        guard
          let isOver = try persistently({
            try settings.drain && isDrained() && session.changeMark() == seen
          }), !isOver
        else { return }
        guard let due = try persistently({ pace.watchesTimes ? try nextDue(current) : nil }) else { return }
        // On a server, where thousands may wait, what comes into a folder is found a little later.
        guard
          let waits = try persistently({
            pace.watchesTimes ? try session.queue.waits(batch: nil, limit: 1) : []
          })
        else { return }
        jump = try rest(
          since: seen, reloads: reloads, due: due, watchesFiles: !lacked.isEmpty || !waits.isEmpty, &pace,
          &clock)
        continue
      }
      // Whatever a job names is opened in these folders or not at all.
      Confinement.$models.withValue(pool.locator.confinement) {
        Confinement.$pictures.withValue(pool.inputs.confinement) {
          work(on: claimed, renderer, &pool, output, &lacked) {
            self.current.withLock { $0.reloads } == reloads ? current : nil
          }
        }
      }
    }
  }

  /// What people should know of a worker: its memory, and the models that it finds.
  private static func introduction(_ governor: MemoryGovernor, _ locator: ModelLocator) -> String {
    let budget = governor.budget.map { "memory budget \($0), " } ?? ""
    return budget + "models: " + (locator.names ?? "wherever a job says")
  }

  /// Logs the memory budget.
  private func sayBudget() {
    log.info(
      "memory budget \(governor.budget.map { "\($0)" } ?? "none: the system says nothing of its memory")")
  }

  /// Renders a job, together with others of the same model and size, and writes how each ended. A job's error is
  /// written to its row and not thrown.
  /// - Parameter unchanged: the settings, unless a reload has changed them: then no further job is taken.
  private func work(
    on claimed: ClaimedJob, _ renderer: JobRenderer, _ pool: inout ModelPool, _ output: OutputFolder,
    _ lacked: inout LackedModels, unchanged: () -> DaemonSettings?
  ) {
    renderer.peak.restart()
    if governor.measureAgain() != nil { sayBudget() }
    var group = JobGroup(renderer: renderer, coalesce: settings.coalesce)
    var next: ClaimedJob? = claimed
    while let claimed = next {
      if claimed.lease.claim > 1 { output.removeTemporaries(of: claimed.job) }
      reports.heartbeat()
      pool.locator.learn(claimed.places)
      log.info("job \(claimed.job.id) claimed, attempt \(claimed.job.attempts)", metadata: claimed.fields)
      for ended in group.add(claimed, &pool) { end(ended, pool.locator, &lacked) }
      next = nil
      while next == nil, !group.isEmpty {
        if group.wantsMore, let settings = unchanged(), !stop.isRequested {
          next = companion(of: claimed, settings, avoiding: lacked.all)
        }
        if next == nil { for ended in group.advance() { end(ended, pool.locator, &lacked) } }
      }
    }
    reports.flush()
  }
}
