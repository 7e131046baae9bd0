import Boundary
import Checkpoints
import Diffusion
import Foundation
import Images
import JobStore
import Logging
import Release
import Requests
import SharedFiles
import Tensors
import WeightCache

/// Why a job was interrupted. It is not an error of the job.
enum Interruption: SaysNothingOfContents {
  /// The daemon is stopping.
  case stopping
  /// The job was cancelled.
  case cancelled
  /// Another worker has the job.
  case lost
}

/// Renders pictures of claimed jobs and reports their progress.
struct JobRenderer: Sendable {
  let session: any JobWorker
  /// Tells the queue what the renderer says, without keeping it waiting.
  let reports: Reports
  /// The session on the connection that `reports` uses.
  let side: any JobWorker
  let compute: Compute
  /// The memory of its jobs.
  let governor: MemoryGovernor
  /// Projections of its last job's prompts.
  let texts = TextMemory()
  let output: String
  /// Whether other machines use the queue, so that names in a shared place mean something in it.
  let hasSharedNames: Bool
  /// Where machines share files; nil: nowhere.
  let shared: SharedPlace?
  /// The most bytes of one file that are taken from there.
  let mostShared: Int
  /// The states that a stop in the middle of a step saves.
  let lastStep: LastStep
  let stop: StopSignal
  let reporter: ServiceReporter
  /// For resume states.
  let seal: SealingKey
  /// Steps from one checkpoint to the next; nil means as often as their cost allows.
  let checkpointSteps: Int?
  let checkpointCost = CheckpointCost()
  /// Whether previews of pictures at work are stored.
  let previews: Bool
  let previewCosts = PreviewCosts()
  /// Says why previews are not decoded: once is enough for a while.
  let previewLog = QuietLog(pause: 3600)
  /// Whether a finished picture waits while the disk is full. Otherwise its job fails and is retried.
  let waitsForRoom: Bool
  let metrics: DaemonMetrics
  let log: Logger
  let peak = PeakWatch()
  /// Limits warnings that could come at every step.
  let quiet = QuietLog()

  /// The result of a job whose pictures are rendered.
  struct Outcome {
    let statistics: RenderStatistics
    let modelDigest: String
  }

  /// Prepares a claimed job: checks its request and loads its model.
  /// - Parameters:
  ///   - claimed: the job.
  ///   - shelf: the models. They are this job's alone meanwhile.
  ///   - mayWait: whether the job may wait until others beside it are over, if they have the memory that it needs. If not,
  ///     it is given back.
  /// - Throws: `Interruption`, and errors of the engine, the disk and the store.
  func open(_ claimed: ClaimedJob, _ shelf: ModelShelf, mayWait: Bool) throws -> JobAtWork {
    let brought = try bringShared(claimed)
    do {
      return try open(claimed, brought, shelf)
    } catch let error as MemoryError where !governor.isAlone {
      guard mayWait else { throw Interruption.stopping }
      try waitToBeAlone(claimed, error)
      return try open(claimed, brought, shelf)
    }
  }

  private func open(
    _ claimed: ClaimedJob, _ brought: [String: String], _ shelf: ModelShelf
  ) throws -> JobAtWork {
    // While another job's model is loaded, this one gives no sign of life.
    reporter.rests()
    let job = try shelf.take { pool in
      pool.governor = governor
      pool.locator.learn(claimed.places)
      pool.locator.learn(brought)
      pool.inputs.learn(brought)
      return try open(claimed, &pool)
    }
    guard let job else { throw Interruption.stopping }
    return job
  }

  private func open(_ claimed: ClaimedJob, _ pool: inout ModelPool) throws -> JobAtWork {
    let pattern = try claimed.job.namePattern.map { try PictureNamePattern($0) }
    // Like its model, every file that a job names must be inside the allowed folders.
    var request = claimed.request.render
    try request.changeFiles { kind, path in
      switch kind {
      case .initImage, .mask: try pool.input(path)
      case .lora, .vae: try pool.locator.path(of: path)
      case .embedding: try pool.locator.wholePath(of: path)
      }
    }
    // The job before may have had a larger budget.
    governor.limit(to: request.memoryBudget?.bytes)
    let model = try pool.model(
      named: request.model, vae: request.vae, loras: request.loras, precision: request.precision
    ) {
      try report(claimed, index: 0, .loading, step: 0, steps: request.steps)
    }
    let use = pool.lastUse
    let idle = request.idleSettings(with: model.traits).map(\.notice)
    for notice in model.notices + idle { log.notice("\(notice)", metadata: claimed.fields) }
    register(model, for: claimed)
    let pass = ForwardPass(compute: compute, ledger: CacheLedger())
    let renderer = Renderer(
      model: model, pass: pass, governor: governor, texts: texts,
      previews: previews ? previewDecoder(for: model, claimed, &pool) : nil)
    let first = try picture(request, of: renderer, &pool)
    // The limits also hold for a default size.
    var sized = claimed.request.render
    (sized.width, sized.height) = (first.width, first.height)
    try sized.validate(limits: pool.limits)
    note(first, of: claimed)
    let requests = (0..<request.count).map(first.next)
    if let request = requests.first { try makeRoom(for: request, renderer, &pool) }
    let job = JobAtWork(
      claimed: claimed, renderer: renderer, requests: requests, pattern: pattern, use: use)
    do {
      try makeFolder(for: job.name(0))
    } catch let error where waitsForRoom && passesByItself(error) {
      // There may be room when the picture is done. Errors that waiting cannot fix are reported before rendering.
    }
    return job
  }

  /// The result of a job whose pictures are all rendered.
  func outcome(of job: JobAtWork) -> Outcome {
    Outcome(
      statistics: statistics(job.renderer.pass.ledger.counts), modelDigest: job.renderer.model.digest)
  }

  /// Adds a job's cache counts to the metrics, however the job ended.
  func count(_ job: JobAtWork) { metrics.cache(job.renderer.pass.ledger.counts) }

  /// Decodes a picture whose steps are done, and hands it over to be written.
  func finish(_ picture: PictureAtWork, at denoising: Denoising, of job: JobAtWork) throws {
    let (claimed, model) = (job.claimed, job.renderer.model)
    let (request, place) = (picture.request, picture.place)
    let image = try job.renderer.decode(denoising)
    // The picture is done, so a stop that comes now waits until the file is written.
    try report(
      claimed, index: picture.index, .writing, step: request.steps, steps: request.steps, mayStop: false)
    var text = try PictureText(request, model: model, tile: denoising.plan.tile, version: Version.current)
    text.batch = claimed.job.batch
    text.job = claimed.job.id
    text.index = picture.index
    let bytes = try PNGFile.encode(image, texts: text.texts())
    var digest = Digest()
    digest.add(bytes)
    let record = ImageRecord(
      index: picture.index, path: job.name(picture.index).path(below: output), seed: request.seed,
      width: image.width, height: image.height, digest: digest.hexadecimal(), bytes: Int64(bytes.count),
      seconds: max(0, CheckpointPace.now - picture.began), numerics: NumericsClass.inUse.description)
    publish(
      Publication(
        bytes: bytes, image: record, job: job, place: place, announced: picture.announced,
        held: LastStep.Held(denoising: denoising, request: request, renderer: job.renderer)))
  }

  /// Hands over how far a picture is, and checks that the job was neither cancelled nor taken away, as far as is known.
  /// The queue's answer to this report is heard at a later one.
  func report(
    _ claimed: ClaimedJob, index: Int, _ phase: RenderPhase, step: Int, steps: Int,
    secondsPerStep: Double? = nil, mayStop: Bool = true
  ) throws {
    reporter.progress(
      ServiceReporter.Position(
        job: claimed.job.id, image: index, images: claimed.request.render.count, phase: phase.rawValue,
        step: step, steps: steps, secondsPerStep: secondsPerStep))
    if mayStop && stop.isRequested { throw Interruption.stopping }
    peak.look()
    let end = secondsPerStep.map { Date(timeIntervalSinceNow: $0 * Double(steps - step)).milliseconds }
    reports.add(
      ProgressReport(
        lease: claimed.lease,
        progress: ImageProgress(
          index: index, phase: phase, step: step, steps: steps, secondsPerStep: secondsPerStep,
          expectedEnd: end)))
    try check(claimed.lease)
  }

  /// - Throws: `Interruption` if the job was cancelled or taken away.
  func check(_ lease: Lease) throws {
    let verdict = session.verdict(of: lease)
    if verdict.cancelled { throw Interruption.cancelled }
    if verdict.lost { throw Interruption.lost }
  }

  /// Writes the default size of pictures into the job's row.
  private func note(_ picture: PictureRequest, of claimed: ClaimedJob) {
    let asked = claimed.request.render
    guard asked.width == nil || asked.height == nil else { return }
    // This is for information. The next attempt finds the same size.
    inform("job \(claimed.job.id): cannot note its size", claimed) {
      try side.note(width: picture.width, height: picture.height, claimed.lease)
    }
  }

  /// Makes a model known that was loaded. The queue's rows of models are for information, except a hold, which the next
  /// success ends.
  private func register(_ model: DiffusionModel, for claimed: ClaimedJob) {
    let request = claimed.request.render
    let record = record(of: model, named: request.model)
    inform("cannot register model \(request.model)", claimed) {
      try side.register(record, loaded: true, with: request.addedFiles)
    }
  }

  /// Lets the queue know of something that nobody waits for. It is tried once.
  private func inform(
    _ failure: String, _ claimed: ClaimedJob, _ body: @escaping @Sendable () throws -> Void
  ) {
    reports.add(
      Reports.Task(bytes: 0) {
        do {
          try body()
        } catch JobStoreError.leaseLost {
          session.learn(.init(lost: true), of: claimed.lease)
        } catch {
          quiet.warning(log, "\(failure): \(error)", claimed.fields)
        }
      } giveUp: { _ in
      })
  }

  private func record(of model: DiffusionModel, named name: String) -> ModelRecord {
    let summary = ModelSummary(model)
    return ModelRecord(
      name: name, path: model.path, kind: summary.kind, digest: model.digest, description: summary.words)
  }

  private func statistics(_ counts: CacheCounts) -> RenderStatistics {
    var statistics = RenderStatistics()
    statistics.cacheHits = Int64(counts.hits)
    statistics.cacheMisses = Int64(counts.misses)
    statistics.cacheEvictions = Int64(counts.evictions)
    statistics.cacheBypasses = Int64(counts.bypasses)
    statistics.stall = Milliseconds(counts.stallSeconds * 1000)
    statistics.bytesRead = Int64(counts.bytesLoaded)
    statistics.peakBytes = peak.bytes
    return statistics
  }
}
