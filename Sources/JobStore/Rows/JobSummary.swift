import Foundation
import GRDB
import Requests

/// A job in a list: what `list --json` shows, and a little more.
package struct JobSummary: JobStatusReading, Sendable, Equatable {
  /// One of its images, finished, running or yet to come.
  package struct Image: Sendable, Equatable {
    /// 0 … count - 1.
    package var index: Int
    /// Its row, if it is finished.
    package var record: ImageRecord?
    package var seed: UInt64
    /// Finished steps.
    package var step: Int
    package var steps: Int
    /// The phase, if it is running.
    package var phase: RenderPhase?
    package var secondsPerStep: Double?
    package var expectedEnd: Milliseconds?

    /// Path of the file, if it is finished.
    package var path: String? { record?.path }
  }

  package var id: Int64
  package var batch: Int64
  package var status: JobStatus
  package var prompt: String
  package var model: String
  /// Of each image; nil: it is not known yet.
  package var pixels: Double?
  package var priority: Int
  package var attempts: Int
  package var maxAttempts: Int
  /// Of each image, as its request has it. Methods with several calls a step take more, renders from a picture fewer.
  package var askedSteps: Int
  package var images: [Image]
  /// Whether something keeps it from being taken: its batch is paused, or it waits for something but the time.
  package var isHeld: Bool
  /// What it waits for: something of a hub, and how far that is (`segmind/SegMoE-4x2-v0, 31%, 4 min`), another batch
  /// (`batch nightly`), or a worker of a class of numerics.
  package var waitsFor: String?
  /// The folder of the shards that it is in.
  package var shards: String?

  /// Finished steps of all its images.
  package var step: Int { images.map(\.step).boundedSum }
  /// Steps of all its images.
  package var steps: Int { images.map(\.steps).boundedSum }

  /// Seconds that a running job still needs by the pace of its own steps: until the expected end of the images at work,
  /// plus all steps of the images that have not begun. nil before its first step.
  package func secondsLeft(now: Date) -> Double? {
    guard let end = images.compactMap(\.expectedEnd).max() else { return nil }
    let pace = images.compactMap(\.secondsPerStep).last ?? 0
    let waiting = images.filter { $0.phase == nil }.map(\.steps).boundedSum
    return max(0, Date(milliseconds: end).timeIntervalSince(now)) + Double(waiting) * pace
  }
}

extension JobSummary {
  static let columns = """
    id, batch, prompt, model, width * height * 1.0 AS pixels, priority, attempts, max_attempts, held, seed,
    variation_strength, count, steps, \(JobStatus.columns),
    CASE
      WHEN state <> 'queued' THEN NULL
      WHEN held & \(Hold.source.rawValue) THEN (SELECT standing FROM job_waits WHERE job = jobs.id)
      WHEN held & \(Hold.predecessor.rawValue)
        THEN 'batch ' || (SELECT p.name FROM batches b JOIN batches p ON p.id = b.after WHERE b.id = jobs.batch)
      WHEN numerics IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM workers w WHERE w.numerics = jobs.numerics AND w.state <> 'stopped')
        THEN 'a daemon of ' || numerics
    END AS waits_for,
    iif(state = 'queued' AND held & \(Hold.shards.rawValue),
      (SELECT b.shards FROM batches b WHERE b.id = jobs.batch), NULL) AS shards
    """

  /// - Parameters:
  ///   - row: of the job, with what it waits for.
  ///   - finished: its images on disk.
  ///   - running: how far the others are.
  /// - Throws: `JobStoreError.damagedRow`
  package init(row: Row, finished: [ImageRecord], running: [ImageProgress]) throws {
    let reader = RowReader(row: row, table: "jobs")
    id = try reader.value("id")
    batch = try reader.value("batch")
    status = try JobStatus(reader)
    prompt = try reader.value("prompt")
    model = try reader.value("model")
    pixels = try reader.optional("pixels")
    priority = try reader.value("priority")
    attempts = try reader.value("attempts")
    maxAttempts = try reader.value("max_attempts")
    isHeld = try reader.value("held", as: Int.self) != 0
    waitsFor = try reader.optional("waits_for")
    shards = try reader.optional("shards")
    let seed = UInt64(bitPattern: try reader.value("seed", as: Int64.self))
    // With a variation, all pictures of a job have its seed.
    let isVaried = try reader.value("variation_strength", as: Double.self) != 0
    let count: Int = try reader.value("count")
    let steps: Int = try reader.value("steps")
    askedSteps = steps
    // A row with a huge count, which a claim would refuse, must not fill the memory of a list.
    images = (0..<min(max(count, 0), RenderLimits().count)).map {
      Image(index: $0, seed: isVaried ? seed : seed &+ UInt64($0), step: 0, steps: steps)
    }
    for progress in running where images.indices.contains(progress.index) {
      images[progress.index].step = progress.step
      images[progress.index].steps = progress.steps
      images[progress.index].phase = progress.phase
      images[progress.index].secondsPerStep = progress.secondsPerStep
      images[progress.index].expectedEnd = progress.expectedEnd
    }
    for image in finished where images.indices.contains(image.index) {
      images[image.index].record = image
      images[image.index].seed = image.seed
      images[image.index].phase = .done
      images[image.index].step = images[image.index].steps
    }
  }
}
