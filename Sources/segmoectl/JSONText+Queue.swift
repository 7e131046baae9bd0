import JobStore
import Requests

extension JSONText {
  /// An element of `list --json`. The first eight keys are a promise to scripts.
  static func job(_ job: JobSummary) -> JSONText {
    .object([
      ("id", .integer(job.id)),
      ("batch", .integer(job.batch)),
      ("state", .string(job.state.rawValue)),
      ("prompt", .string(job.prompt)),
      ("model", .string(job.model)),
      ("attempts", .integer(job.attempts)),
      ("images", .array(job.images.map(image))),
      ("error", .optional(job.failure?.message)),
      ("error_kind", .optional(job.failure?.kind?.rawValue)),
      ("priority", .integer(job.priority)),
      ("max_attempts", .integer(job.maxAttempts)),
      ("held", .bool(job.isHeld)),
      ("cancel_requested", .bool(job.tenure?.cancelRequested ?? false)),
      ("run_after", .optional(job.runAfter)),
      ("started_at", .optional(job.startedAt)),
      ("finished_at", .optional(job.finishedAt)),
      ("worker", .optional(job.tenure?.worker)),
      ("waiting_for", .optional(job.waitsFor)),
      ("shards", .optional(job.shards)),
    ])
  }

  /// Something that a job names of a hub.
  static func source(_ source: SourceRecord) -> JSONText {
    .object([
      ("source", .string(source.source)),
      ("batch", .integer(source.batch)),
      ("use", .string(source.use.rawValue)),
      ("state", .string(source.state.rawValue)),
      ("standing", .string(source.standing)),
      ("revision", .optional(source.revision)),
      ("path", .optional(source.path)),
      ("error", .optional(source.error)),
    ])
  }

  private static func image(_ image: JobSummary.Image) -> JSONText {
    .object([
      ("index", .integer(image.index)),
      ("path", .optional(image.path)),
      ("seed", .written("\(image.seed)")),
      ("step", .integer(image.step)),
      ("steps", .integer(image.steps)),
      ("phase", .optional(image.phase?.rawValue)),
      ("seconds_per_step", .optional(image.secondsPerStep)),
      ("expected_end", .optional(image.expectedEnd)),
    ])
  }

  /// `show --json`: the keys of `list`, the settings, the outcome and the history.
  static func details(_ details: JobDetails) -> JSONText {
    guard case .object(var members) = job(details.summary) else { return .null }
    let job = details.job
    members += [
      ("batch_name", .string(job.batchName)),
      ("created_at", .integer(job.createdAt)),
      ("lease_expires", .optional(job.tenure?.leaseExpires)),
      ("losses", .integer(job.losses)),
      ("model_digest", .optional(job.completion?.modelDigest)),
      ("settings", settings(job.request.render)),
      ("statistics", job.completion?.statistics.map(statistics) ?? .null),
      ("files", .array(details.images.map(file))),
      ("events", .array(details.events.map(event))),
      ("sources", .array(details.sources.map(source))),
    ]
    return .object(members)
  }

  /// All settings except the prompt and the model, which come before.
  private static func settings(_ request: RenderRequest) -> JSONText {
    .object(
      Setting.all.filter { $0.name != "prompt" && $0.name != "model" }
        .map { ($0.name, .written($0.json(request))) })
  }

  static func statistics(_ model: ModelStatistics) -> JSONText {
    .object([
      ("model", .string(model.model)), ("precision", .string(model.precision.rawValue)),
      ("jobs", .integer(model.jobs)), ("images", .integer(model.images)),
      ("denoising_steps", .integer(model.denoisingSteps)), ("seconds", .number(model.seconds)),
      ("statistics", statistics(model.statistics)),
    ])
  }

  private static func statistics(_ statistics: RenderStatistics) -> JSONText {
    .object([
      ("cache_hits", .integer(statistics.cacheHits)),
      ("cache_misses", .integer(statistics.cacheMisses)),
      ("cache_evictions", .integer(statistics.cacheEvictions)),
      ("cache_bypasses", .integer(statistics.cacheBypasses)),
      ("bytes_read", .integer(statistics.bytesRead)),
      ("stall_ms", .integer(statistics.stall)),
      ("peak_bytes", .integer(statistics.peakBytes)),
    ])
  }

  private static func file(_ image: ImageRecord) -> JSONText {
    .object([
      ("index", .integer(image.index)),
      ("path", .string(image.path)),
      ("seed", .written("\(image.seed)")),
      ("width", .integer(image.width)),
      ("height", .integer(image.height)),
      ("sha256", .string(image.digest)),
      ("bytes", .integer(image.bytes)),
      ("seconds", .number(image.seconds)),
      ("numerics", .optional(image.numerics)),
    ])
  }

  private static func event(_ event: Event) -> JSONText {
    .object([
      ("at", .integer(event.at)),
      ("what", .string(event.kind.rawValue)),
      ("worker", .optional(event.worker)),
      ("detail", .optional(event.detail)),
    ])
  }

  static func counts(_ counts: StateCounts) -> [(String, JSONText)] {
    JobState.allCases.map { ($0.rawValue, .integer(counts[$0])) }
  }

  static func batch(_ batch: BatchRecord) -> JSONText {
    .object(
      [
        ("batch", .integer(batch.id)), ("name", .string(batch.name)), ("paused", .bool(batch.isPaused)),
        ("shards", .optional(batch.shards)),
      ] + counts(batch.counts))
  }

  static func model(_ model: ModelRecord) -> JSONText {
    .object([
      ("name", .string(model.name)),
      ("path", .optional(model.path)),
      ("kind", .optional(model.kind)),
      ("description", .optional(model.description)),
      ("bytes", .optional(model.bytes)),
      ("digest", .optional(model.digest)),
      ("loaded_at", .optional(model.loadedAt)),
      ("load_failures", .integer(model.loadFailures)),
      ("error", .optional(model.loadError)),
      ("held_until", .optional(model.heldUntil)),
    ])
  }

  static func worker(
    _ worker: WorkerRecord, introduction: String?,
    _ lacked: [(worker: String, model: String, reason: String)],
    now: Milliseconds
  ) -> JSONText {
    .object([
      ("name", .string(worker.name)),
      ("alive", .bool(worker.isAlive(now: now))),
      ("state", .string(worker.state.rawValue)),
      ("job", .optional(worker.job)),
      ("pid", .integer(worker.pid)),
      ("host", .string(worker.host)),
      ("version", .string(worker.version)),
      ("numerics", .optional(worker.numerics)),
      ("heartbeat_at", .integer(worker.heartbeatAt)),
      ("introduction", .optional(introduction)),
      ("lacks", .array(lacked.filter { $0.worker == worker.name }.map { .string($0.model) })),
    ])
  }
}
