import JobStore
import Requests

/// How `--json` shows what is in the queue. Scripts rely on these shapes: members are added, and none is ever renamed or
/// taken away. `docs/schemas` describes each of them, and a test compares the two.
enum QueueJSON {
  /// An element of `list --json`. The first eight keys are a promise to scripts.
  static let job = JSONShape<JobSummary>([
    .value("id") { .integer($0.id) },
    .value("batch") { .integer($0.batch) },
    .value("state") { .string($0.state.rawValue) },
    .value("prompt") { .string($0.prompt) },
    .value("model") { .string($0.model) },
    .value("attempts") { .integer($0.attempts) },
    .list("images", image) { $0.images },
    .value("error") { .optional($0.failure?.message) },
    .value("error_kind") { .optional($0.failure?.kind?.rawValue) },
    .value("priority") { .integer($0.priority) },
    .value("max_attempts") { .integer($0.maxAttempts) },
    .value("held") { .bool($0.isHeld) },
    .value("cancel_requested") { .bool($0.tenure?.cancelRequested ?? false) },
    .value("run_after") { .optional($0.runAfter) },
    .value("started_at") { .optional($0.startedAt) },
    .value("finished_at") { .optional($0.finishedAt) },
    .value("worker") { .optional($0.tenure?.worker) },
    .value("waiting_for") { .optional($0.waitsFor) },
    .value("shards") { .optional($0.shards) },
  ])

  private static let image = JSONShape<JobSummary.Image>([
    .value("index") { .integer($0.index) },
    .value("path") { .optional($0.path) },
    .value("seed") { .written("\($0.seed)") },
    .value("step") { .integer($0.step) },
    .value("steps") { .integer($0.steps) },
    .value("phase") { .optional($0.phase?.rawValue) },
    .value("seconds_per_step") { .optional($0.secondsPerStep) },
    .value("expected_end") { .optional($0.expectedEnd) },
  ])

  /// Something that a job names of a hub.
  static let source = JSONShape<SourceRecord>([
    .value("source") { .string($0.source) },
    .value("batch") { .integer($0.batch) },
    .value("use") { .string($0.use.rawValue) },
    .value("state") { .string($0.state.rawValue) },
    .value("standing") { .string($0.standing) },
    .value("revision") { .optional($0.revision) },
    .value("path") { .optional($0.path) },
    .value("error") { .optional($0.error) },
  ])

  /// `show --json`: the keys of `list`, the settings, the outcome and the history.
  static let details = JSONShape<JobDetails>(
    job.members { $0.summary } + [
      .value("batch_name") { .string($0.job.batchName) },
      .value("name_pattern") { .optional($0.job.namePattern) },
      .value("created_at") { .integer($0.job.createdAt) },
      .value("lease_expires") { .optional($0.job.tenure?.leaseExpires) },
      .value("losses") { .integer($0.job.losses) },
      .value("model_digest") { .optional($0.job.completion?.modelDigest) },
      .object("settings", settings) { $0.job.request.render },
      .object("statistics", statistics) { $0.job.completion?.statistics },
      .list("files", file) { $0.images },
      .list("events", event) { $0.events },
      .list("sources", source) { $0.sources },
    ])

  /// All settings except the prompt and the model, which come before.
  private static let settings = JSONShape<RenderRequest>(
    Setting.all.filter { $0.name != "prompt" && $0.name != "model" }.map { setting in
      .value(setting.name) { .written(setting.json($0)) }
    })

  private static let statistics = JSONShape<RenderStatistics>([
    .value("cache_hits") { .integer($0.cacheHits) },
    .value("cache_misses") { .integer($0.cacheMisses) },
    .value("cache_evictions") { .integer($0.cacheEvictions) },
    .value("cache_bypasses") { .integer($0.cacheBypasses) },
    .value("bytes_read") { .integer($0.bytesRead) },
    .value("stall_ms") { .integer($0.stall) },
    .value("peak_bytes") { .integer($0.peakBytes) },
  ])

  private static let file = JSONShape<ImageRecord>([
    .value("index") { .integer($0.index) },
    .value("path") { .string($0.path) },
    .value("seed") { .written("\($0.seed)") },
    .value("width") { .integer($0.width) },
    .value("height") { .integer($0.height) },
    .value("sha256") { .string($0.digest) },
    .value("bytes") { .integer($0.bytes) },
    .value("seconds") { .number($0.seconds) },
    .value("numerics") { .optional($0.numerics) },
  ])

  private static let event = JSONShape<Event>([
    .value("at") { .integer($0.at) },
    .value("what") { .string($0.kind.rawValue) },
    .value("worker") { .optional($0.worker) },
    .value("detail") { .optional($0.detail) },
  ])

  /// An element of `stats --json`.
  static let modelStatistics = JSONShape<ModelStatistics>([
    .value("model") { .string($0.model) },
    .value("precision") { .string($0.precision.rawValue) },
    .value("jobs") { .integer($0.jobs) },
    .value("images") { .integer($0.images) },
    .value("denoising_steps") { .integer($0.denoisingSteps) },
    .value("seconds") { .number($0.seconds) },
    .object("statistics", statistics) { $0.statistics },
  ])

  /// The number of jobs in each state.
  static let counts = JSONShape<StateCounts>(
    JobState.allCases.map { state in .value(state.rawValue) { .integer($0[state]) } })

  static let batch = JSONShape<BatchRecord>(
    [
      .value("batch") { .integer($0.id) },
      .value("name") { .string($0.name) },
      .value("paused") { .bool($0.isPaused) },
    ] + counts.members { $0.counts } + [
      .value("after") { .optional($0.after) },
      .value("waiting_for") { .optional($0.waitsFor) },
      .value("shards") { .optional($0.shards) },
    ])

  /// An element of `models --json`.
  static let model = JSONShape<ModelRecord>([
    .value("name") { .string($0.name) },
    .value("path") { .optional($0.path) },
    .value("kind") { .optional($0.kind) },
    .value("description") { .optional($0.description) },
    .value("bytes") { .optional($0.bytes) },
    .value("digest") { .optional($0.digest) },
    .value("loaded_at") { .optional($0.loadedAt) },
    .value("load_failures") { .integer($0.loadFailures) },
    .value("error") { .optional($0.fault ?? $0.loadError) },
    .texts("workers") { $0.workers },
    .value("held_until") { .optional($0.heldUntil) },
  ])
}
