import Checkpoints
import Diffusion
import Foundation
import Images
import JobStore
import Logging

/// How far a picture is.
struct ProgressReport: Sendable {
  let lease: Lease
  let progress: ImageProgress

  var picture: LastStep.Picture { LastStep.Picture(job: lease.job, index: progress.index) }
}

/// The state of a picture after a step, to be sealed and written.
struct StateReport: Sendable {
  let lease: Lease
  let picture: LastStep.Picture
  let held: LastStep.Held
  let seal: SealingKey
  let cost: CheckpointCost
  let metrics: DaemonMetrics

  var step: Int { held.denoising.step }

  /// - Parameters:
  ///   - session: on the caller's connection.
  ///   - seconds: how long to wait for the write lock; nil: as long as ever.
  /// - Throws: `JobStoreError`
  func write(_ session: any JobWorker, waiting seconds: Double? = nil) throws {
    let begun = CheckpointPace.now
    let state = Data(held.renderer.resumeState(held.denoising, of: held.request, seal: seal))
    let sealing = CheckpointPace.now - begun
    let writing = try session.keep(
      state, step: step, index: picture.index, modelDigest: held.renderer.model.digest, waiting: seconds,
      lease)
    (cost.seconds, cost.bytes) = (sealing + writing, state.count)
    metrics.checkpoint(seconds: sealing + writing)
  }
}

/// A picture after a step, to be looked at.
struct PreviewReport: Sendable {
  /// What is looked at.
  enum Content: Sendable {
    /// Latents, of which a small picture is made here.
    case latents(Denoising, Renderer)
    /// A picture that was decoded, in so many seconds by so many operations.
    case decoded(RGBImage, seconds: Double, operations: Int)
  }

  let lease: Lease
  let picture: LastStep.Picture
  let step: Int
  let content: Content
  let costs: PreviewCosts
  let metrics: DaemonMetrics

  /// Makes the preview and stores it, unless somebody has the queue's lock. It is tried once, because a newer one comes
  /// soon. What goes wrong here goes wrong with other reports, too, and they say so.
  /// - Parameters:
  ///   - session: on the caller's connection.
  ///   - log: gets errors.
  func write(_ session: any JobWorker, _ log: Logger) {
    do {
      try write(session)
    } catch JobStoreError.leaseLost {
      session.learn(.init(lost: true), of: lease)
    } catch {
      log.debug("job \(lease.job), image \(picture.index): no preview: \(error)", metadata: lease.fields)
    }
  }

  private func write(_ session: any JobWorker) throws {
    let begun = CheckpointPace.now
    switch content {
    case .latents(let denoising, let renderer):
      guard let image = try renderer.preview(of: denoising) else { return }
      let seconds = try store(image, session, since: begun)
      costs.sums.seconds = seconds
      metrics.preview(seconds: seconds)
    case .decoded(let image, let decoding, let operations):
      let seconds = try decoding + store(image, session, since: begun)
      costs.note(seconds: seconds, of: operations)
      metrics.preview(seconds: seconds)
    }
  }

  /// - Returns: the seconds since `begun` that it worked and did not wait.
  private func store(_ image: RGBImage, _ session: any JobWorker, since begun: Double) throws -> Double {
    let png = try PNGFile.encode(image)
    let making = CheckpointPace.now - begun
    return try making + session.keep(preview: png, step: step, index: picture.index, lease)
  }
}
