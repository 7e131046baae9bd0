import Checkpoints
import Diffusion
import Experts
import Foundation
import Images
import JobStore
import Logging
import Release
import Tensors

/// Why a job was put down before it was done; not an error of the job.
enum Interruption: Error {
  /// The daemon is stopping.
  case stopping
  /// Somebody cancelled the job.
  case cancelled
  /// Another worker has the job.
  case lost
}

/// Renders the pictures of one claimed job and reports how far it is.
struct JobRenderer {
  let store: JobStore
  let compute: Compute
  let output: String
  let keeper: LeaseKeeper
  /// For a stop in the middle of a step.
  let lastStep: LastStep
  let stop: StopSignal
  let reporter: ServiceReporter
  /// Steps from one checkpoint to the next; nil: as their cost allows.
  let checkpointSteps: Int?
  let metrics: DaemonMetrics
  let log: Logger

  /// What a finished job leaves.
  struct Outcome {
    let images: [ImageRecord]
    let statistics: RenderStatistics
    let modelDigest: String
  }

  /// Renders all pictures, each under its final name once it is whole.
  /// - Throws: `Interruption`, and whatever the engine, the disk or the store throws.
  func render(_ claimed: ClaimedJob, pool: inout ModelPool) throws -> Outcome {
    let settings = claimed.request.settings
    try refuseUnsupported(settings)
    let loras = settings.loras.map { LoRASetting(path: $0.path, weight: Float($0.weight)) }
    // Embeddings are confined as models and LoRAs are.
    let reading = PromptReading(
      isPlain: settings.isPlainPrompt, clipSkip: settings.clipSkip,
      embeddings: try settings.embeddings.map {
        try TextualInversion(path: pool.locator.path(of: $0.path), token: $0.token)
      })
    let source = try settings.initImage.map { image in
      try SourcePicture(
        imageFile: pool.input(image), maskFile: settings.mask.map(pool.input),
        strength: Float(settings.strength ?? 0.8))
    }
    guard let precision = Precision(rawValue: settings.precision.rawValue) else {
      throw DaemonError.unsupported(setting: "precision", value: settings.precision.rawValue)
    }
    let model = try pool.model(
      named: settings.model, vae: settings.vae, loras: loras, precision: precision
    ) {
      try report(claimed, index: 0, .loading, step: 0, steps: settings.steps)
    }
    try store.register(record(of: model, named: settings.model), loaded: true)
    let folder = try batchFolder(claimed.job.batch)
    let ledger = ExpertLedger()
    defer { metrics.cache(ledger.counts) }
    let renderer = Renderer(
      model: model, pass: ForwardPass(compute: compute, ledger: ledger), budget: pool.memoryBudget)
    var images: [ImageRecord] = []
    for index in 0..<settings.count {
      images.append(
        try picture(index, of: claimed, reading: reading, source: source, with: renderer, in: folder))
    }
    return Outcome(
      images: images, statistics: statistics(ledger.counts), modelDigest: model.digest)
  }

  private func picture(
    _ index: Int, of claimed: ClaimedJob, reading: PromptReading, source: SourcePicture?,
    with renderer: Renderer, in folder: String
  ) throws -> ImageRecord {
    let settings = claimed.request.settings
    let path = "\(folder)/\(claimed.job.id)-\(index).png"
    let kept = try store.checkpoint(job: claimed.job.id, index: index)
    if let image = finished(kept, path: path, modelDigest: renderer.model.digest) {
      try report(claimed, index: index, .done, step: settings.steps, steps: settings.steps)
      return image
    }
    defer { lastStep.clear() }
    let started = Date()
    var request = try renderRequest(claimed.request, index: index, reading: reading)
    request.source = source
    let image = try renderer.decode(
      denoise(request, index: index, of: claimed, from: kept, with: renderer))
    // A stop that comes now waits the moment that the file takes: the picture is there.
    try report(
      claimed, index: index, .writing, step: settings.steps, steps: settings.steps, mayStop: false)
    var text = PictureText(
      request, model: settings.model, digest: renderer.model.digest,
      scheduler: try renderer.model.schedulerName(for: request), precision: settings.precision.rawValue,
      version: Version.current)
    text.batch = claimed.job.batch
    text.job = claimed.job.id
    text.index = index
    let bytes = try PNGFile.encode(image, texts: text.texts())
    var digest = Digest()
    digest.add(bytes)
    let record = ImageRecord(
      index: index, path: path, seed: settings.seed &+ Int64(index), width: image.width,
      height: image.height, digest: digest.hexadecimal(), bytes: Int64(bytes.count),
      seconds: Date().timeIntervalSince(started))
    try publish(bytes, as: record, of: claimed, steps: settings.steps, modelDigest: renderer.model.digest)
    return record
  }

  /// Writes the progress row and looks whether the job is still wanted, and wanted of this daemon.
  func report(
    _ claimed: ClaimedJob, index: Int, _ phase: RenderPhase, step: Int, steps: Int,
    secondsPerStep: Double? = nil, mayStop: Bool = true
  ) throws {
    reporter.progress(
      ServiceReporter.Position(
        job: claimed.job.id, image: index, images: claimed.request.settings.count, phase: phase.rawValue,
        step: step, steps: steps, secondsPerStep: secondsPerStep))
    if mayStop && stop.isRequested { throw Interruption.stopping }
    let end = secondsPerStep.map { Date(timeIntervalSinceNow: $0 * Double(steps - step)).milliseconds }
    do {
      let instruction = try store.report(
        ImageProgress(
          index: index, phase: phase, step: step, steps: steps, secondsPerStep: secondsPerStep,
          expectedEnd: end),
        claimed.lease)
      if instruction == .cancel || keeper.verdict.cancelled { throw Interruption.cancelled }
    } catch JobStoreError.leaseLost {
      throw Interruption.lost
    }
    if keeper.verdict.lost { throw Interruption.lost }
  }

  private func renderRequest(_ job: JobRequest, index: Int, reading: PromptReading) throws -> RenderRequest {
    let settings = job.settings
    var request = RenderRequest(
      prompt: job.prompt,
      // The queue does not tell an empty text from none; none is what an empty one means there.
      negativePrompt: settings.negativePrompt.isEmpty ? nil : settings.negativePrompt, width: settings.width,
      height: settings.height, steps: settings.steps, guidance: Float(settings.guidance),
      scheduler: try settings.scheduler.map { try Diffusion.SchedulerName(named: $0.rawValue) },
      seed: UInt64(bitPattern: settings.seed &+ Int64(index)))
    request.reading = reading
    request.framing = Framing(settings.framing)
    return request
  }

  /// What the queue can hold but this version cannot do yet is refused by name, never ignored.
  private func refuseUnsupported(_ settings: RenderSettings) throws {
    if let budget = settings.memoryBudget {
      throw DaemonError.unsupported(setting: "memory-budget of a job", value: "\(budget)")
    }
  }

  /// The folder for a batch's pictures. A link that leads out of the output folder is refused: who may
  /// write there, or into the database, may not choose where else the daemon writes.
  private func batchFolder(_ batch: Int64) throws -> String {
    let folder = "\(output)/\(batch)"
    do {
      try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    } catch {
      throw DaemonError.outputFolder(path: folder, reason: error.localizedDescription)
    }
    let (real, root) = (ModelLocator.resolved(folder), ModelLocator.resolved(output))
    guard real.hasPrefix(root == "/" ? root : root + "/") else {
      throw DaemonError.outputFolder(path: folder, reason: "it is a link to \(real), outside \(output)")
    }
    return folder
  }

  private func record(of model: DiffusionModel, named name: String) -> ModelRecord {
    let mixture = model.unet.configuration.mixture
    return ModelRecord(
      name: name, path: model.path, kind: (mixture == nil ? "" : "segmoe-") + model.family.rawValue,
      digest: model.digest,
      description: mixture.map { "\($0.experts)x\($0.expertsPerCall), layers \($0.layers.rawValue)" })
  }

  private func statistics(_ counts: ExpertCounts) -> RenderStatistics {
    var statistics = RenderStatistics()
    statistics.cacheHits = Int64(counts.hits)
    statistics.cacheMisses = Int64(counts.misses)
    statistics.cacheEvictions = Int64(counts.evictions)
    statistics.cacheBypasses = Int64(counts.bypasses)
    statistics.stall = Milliseconds(counts.stallSeconds * 1000)
    statistics.bytesRead = Int64(counts.bytesLoaded)
    statistics.peakBytes = ResidentMemory.peakBytes
    return statistics
  }
}

extension Framing {
  fileprivate init(_ settings: FramingSettings) {
    self.init()
    originalSize = settings.originalSize.map { PixelSize(width: $0.width, height: $0.height) }
    crop = settings.crop.map { PixelPoint(x: $0.x, y: $0.y) } ?? crop
    targetSize = settings.targetSize.map { PixelSize(width: $0.width, height: $0.height) }
  }
}
