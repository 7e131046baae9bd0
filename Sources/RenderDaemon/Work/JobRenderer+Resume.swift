import Boundary
import Checkpoints
import Diffusion
import Foundation
import Images
import JobStore
import Logging
import Tensors

extension JobRenderer {
  /// Begins a picture, or resumes it from its checkpoint.
  /// - Parameters:
  ///   - index: of the picture in the job.
  ///   - job: the job.
  ///   - renders: the renders at work. The picture's render is added.
  /// - Returns: the picture at work, or a picture that an earlier attempt has finished.
  func begin(_ index: Int, of job: JobAtWork, in renders: inout RenderGroup) throws
    -> PictureAtWork.Beginning
  {
    let (claimed, renderer, request) = (job.claimed, job.renderer, job.requests[index])
    let kept = try checkpoint(index, of: claimed)
    if let image = finished(kept, name: job.name(index), modelDigest: renderer.model.digest) {
      let steps = claimed.request.render.steps
      try report(claimed, index: index, .done, step: steps, steps: steps)
      return .finished(image)
    }
    let began = CheckpointPace.now
    var denoising = try renderer.begin(request, beside: renders.keptBytes) { _ in
      try report(claimed, index: index, .encoding, step: 0, steps: request.steps)
    }
    if case .step(_, let state, _) = kept {
      if try renderer.restore(&denoising, from: [UInt8](state), of: request, seal: seal) {
        log.info(
          "job \(claimed.job.id), image \(index): goes on at step \(denoising.step)", metadata: claimed.fields
        )
      } else {
        log.warning(
          """
          job \(claimed.job.id), image \(index): starts anew, its resume state was not sealed with this daemon's key, \
          or is of another request, other weights, another version or another class of numerics than \
          \(NumericsClass.inUse)
          """, metadata: claimed.fields)
      }
    }
    return .begun(
      PictureAtWork(
        job: claimed.job.id, index: index, request: request, began: began,
        render: renders.add(denoising, of: renderer), firstStep: denoising.step,
        pace: CheckpointPace(
          steps: checkpointSteps, cost: checkpointCost, from: denoising.step,
          share: claimed.job.losses + claimed.job.furthestStep > 0 ? .eager : .checkpoint),
        previewPace: PreviewPace(
          costs: previewCosts, decoding: denoising.plan.previewOperations, from: denoising.step),
        operations: compute.work.total,
        announced: announced(kept, name: job.name(index))))
  }

  /// What an earlier attempt has left of a picture. A row that is wrong is none: it starts from nothing.
  private func checkpoint(_ index: Int, of claimed: ClaimedJob) throws -> Checkpoint? {
    do {
      return try session.queue.checkpoint(job: claimed.job.id, index: index)
    } catch let error as JobStoreError where !passesByItself(error) {
      log.warning("image \(index) starts anew: \(error)", metadata: claimed.fields)
      return nil
    }
  }

  /// Called between two steps. It reports the progress, hands over a checkpoint and what a preview is made of if they are
  /// due, and checks whether to go on. After the last step it reports that the picture is being decoded.
  /// - Parameters:
  ///   - picture: the picture at work.
  ///   - denoising: its state.
  ///   - job: its job.
  ///   - pictures: how many pictures go together, this one included.
  func pause(
    _ picture: inout PictureAtWork, at denoising: Denoising, of job: JobAtWork, among pictures: Int
  ) throws {
    if let trouble = job.pictures.trouble { throw trouble }
    if denoising.isDone {
      hold(picture, at: denoising, of: job)
      // Reported now, because decoding may take as long as many steps.
      try report(
        job.claimed, index: picture.index, .decoding, step: denoising.steps, steps: denoising.steps)
      return
    }
    try report(
      job.claimed, index: picture.index, .denoising, step: denoising.step, steps: denoising.steps,
      secondsPerStep: picture.secondsPerStep(at: denoising.step))
    if picture.pace.isDue(at: denoising.step, among: pictures) {
      keep(picture, at: denoising, of: job)
      picture.pace.made(at: denoising.step)
    }
    if previews { preview(&picture, at: denoising, of: job, among: pictures) }
    hold(picture, at: denoising, of: job)
  }

  private func hold(_ picture: PictureAtWork, at denoising: Denoising, of job: JobAtWork) {
    lastStep.hold(held(picture, at: denoising, of: job), of: picture.place)
  }

  private func held(_ picture: PictureAtWork, at denoising: Denoising, of job: JobAtWork) -> LastStep.Held {
    LastStep.Held(denoising: denoising, request: picture.request, renderer: job.renderer)
  }

  /// The picture of an earlier attempt, if its file is complete under its final name and was rendered with these
  /// weights.
  func finished(_ kept: Checkpoint?, name: PictureName, modelDigest: String) -> ImageRecord? {
    guard case .file(let image, modelDigest) = kept, isOwn(image, name) else { return nil }
    return image
  }

  /// What an earlier attempt told the queue of a picture.
  private func announced(_ kept: Checkpoint?, name: PictureName) -> [String: ImageRecord] {
    guard case .file(let image, _) = kept, name.mayBe(image.path, below: output) else { return [:] }
    return [image.path: image]
  }

  /// Whether a row's file is the picture that it should be, whole.
  func isOwn(_ image: ImageRecord, _ name: PictureName) -> Bool {
    OutputFolder(path: output, session: session, log: log).isOwn(
      image.path, bytes: image.bytes, digest: image.digest, name)
  }

  /// Hands a picture's state over to be written as a checkpoint.
  func keep(_ picture: PictureAtWork, at denoising: Denoising, of job: JobAtWork) {
    reports.add(stateReport(held(picture, at: denoising, of: job), of: picture.place, job.claimed))
  }

  func stateReport(
    _ held: LastStep.Held, of place: LastStep.Picture, _ claimed: ClaimedJob
  ) -> StateReport {
    StateReport(
      lease: claimed.lease, picture: place, held: held, seal: seal, cost: checkpointCost, metrics: metrics)
  }
}

extension ClaimedJob {
  /// Fields of log lines about this job.
  var fields: Logger.Metadata { ["job": "\(job.id)", "batch": "\(job.batch)"] }
}
