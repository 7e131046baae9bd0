import GRDB
import Requests

/// A job in a list: what `list --json` shows, and a little more.
package struct JobSummary: JobStatusReading, Sendable, Equatable {
  /// One of its images, finished, running or yet to come.
  package struct Image: Sendable, Equatable {
    /// 0 … count - 1.
    package var index: Int
    /// Path of the file, if it is finished.
    package var path: String?
    package var seed: UInt64
    /// Finished steps.
    package var step: Int
    package var steps: Int
    /// The phase, if it is running.
    package var phase: RenderPhase?
    package var secondsPerStep: Double?
    package var expectedEnd: Milliseconds?
  }

  package var id: Int64
  package var batch: Int64
  package var status: JobStatus
  package var prompt: String
  package var model: String
  package var priority: Int
  package var attempts: Int
  package var maxAttempts: Int
  package var images: [Image]
  /// Whether its batch is paused or its model held.
  package var isHeld: Bool
  /// What it waits for: something of a hub, and how far that is (`segmind/SegMoE-4x2-v0, 31%, 4 min`), or a worker of a
  /// class of numerics.
  package var waitsFor: String?
  /// The folder of the shards that it is in.
  package var shards: String?

  /// Finished steps of all its images.
  package var step: Int { images.map(\.step).boundedSum }
  /// Steps of all its images.
  package var steps: Int { images.map(\.steps).boundedSum }
}

extension JobSummary {
  static let columns = """
    id, batch, prompt, model, priority, attempts, max_attempts, held, seed, count, steps, \(JobStatus.columns),
    CASE
      WHEN state <> 'queued' THEN NULL
      WHEN held & \(Hold.source.rawValue) THEN (SELECT standing FROM job_waits WHERE job = jobs.id)
      WHEN numerics IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM workers w WHERE w.numerics = jobs.numerics AND w.state <> 'stopped')
        THEN 'a daemon of ' || numerics
    END AS waits_for,
    iif(state = 'queued' AND held & \(Hold.shards.rawValue),
      (SELECT b.shards FROM batches b WHERE b.id = jobs.batch), NULL) AS shards
    """

  /// - Throws: `JobStoreError.damagedRow`
  init(row: Row, finished: [ImageRecord], running: [ImageProgress]) throws {
    let reader = RowReader(row: row, table: "jobs")
    id = try reader.value("id")
    batch = try reader.value("batch")
    status = try JobStatus(reader)
    prompt = try reader.value("prompt")
    model = try reader.value("model")
    priority = try reader.value("priority")
    attempts = try reader.value("attempts")
    maxAttempts = try reader.value("max_attempts")
    isHeld = try reader.value("held", as: Int.self) != 0
    waitsFor = try reader.optional("waits_for")
    shards = try reader.optional("shards")
    let seed = UInt64(bitPattern: try reader.value("seed", as: Int64.self))
    let count: Int = try reader.value("count")
    let steps: Int = try reader.value("steps")
    // A row with a huge count, which a claim would refuse, must not fill the memory of a list.
    images = (0..<min(max(count, 0), RenderLimits().count)).map {
      Image(index: $0, seed: seed &+ UInt64($0), step: 0, steps: steps)
    }
    for progress in running where images.indices.contains(progress.index) {
      images[progress.index].step = progress.step
      images[progress.index].steps = progress.steps
      images[progress.index].phase = progress.phase
      images[progress.index].secondsPerStep = progress.secondsPerStep
      images[progress.index].expectedEnd = progress.expectedEnd
    }
    for image in finished where images.indices.contains(image.index) {
      images[image.index].path = image.path
      images[image.index].seed = image.seed
      images[image.index].phase = .done
      images[image.index].step = images[image.index].steps
    }
  }
}

/// A batch with its counts.
package struct BatchRecord: FetchableRecord, Sendable, Equatable {
  package var id: Int64
  package var name: String
  package var key: String?
  package var isPaused: Bool
  /// The folder of the shards that jobs of it are in.
  package var shards: String?
  package var createdAt: Milliseconds
  /// Numbers of its jobs. A purge may have removed some of them.
  package var firstJob: Int64
  package var lastJob: Int64
  package var counts: StateCounts

  /// - Throws: `JobStoreError.damagedRow`
  package init(row: Row) throws {
    let reader = RowReader(row: row, table: "batches")
    id = try reader.value("id")
    name = try reader.value("name")
    key = try reader.optional("key")
    isPaused = try reader.value("paused")
    shards = try reader.optional("shards")
    createdAt = try reader.value("created_at")
    firstJob = try reader.value("first_job")
    lastJob = try reader.value("last_job")
    counts = try StateCounts(reader)
  }
}

extension StateCounts {
  /// - Throws: `JobStoreError.damagedRow`
  init(_ reader: RowReader) throws {
    queued = try reader.value("queued")
    running = try reader.value("running")
    done = try reader.value("done")
    failed = try reader.value("failed")
    cancelled = try reader.value("cancelled")
  }
}
