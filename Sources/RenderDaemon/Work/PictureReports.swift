import Checkpoints
import Diffusion
import Foundation
import JobStore

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
  func write(_ session: WorkerSession, waiting seconds: Double? = nil) throws {
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
