import Diffusion
import Foundation
import JobStore

extension JobRenderer {
  /// Decodes a preview, or hands over what one is made of, if it is due.
  ///
  /// A decode runs here, on the thread that renders, and not beside a step: so it has the threads for a moment, takes only
  /// memory that a step's tensors have just left, and if the system refuses it memory, no step is refused any.
  /// - Parameters:
  ///   - picture: the picture at work, between two steps.
  ///   - denoising: its state.
  ///   - job: its job.
  ///   - pictures: how many pictures go together, this one included.
  func preview(
    _ picture: inout PictureAtWork, at denoising: Denoising, of job: JobAtWork, among pictures: Int
  ) {
    let speed = picture.speed(at: compute.work.total)
    guard let kind = picture.previewPace.due(at: denoising.step, among: pictures, speed: speed) else {
      return
    }
    let content: PreviewReport.Content
    switch kind {
    case .sums: content = .latents(denoising, job.renderer)
    case .decoded:
      guard let decoded = decoded(denoising, of: job) else { return picture.previewPace.stopDecoding() }
      content = decoded
    }
    reports.add(
      PreviewReport(
        lease: job.claimed.lease, picture: picture.place, step: denoising.step, content: content,
        costs: previewCosts, metrics: metrics))
    picture.previewPace.made(kind, at: denoising.step)
  }

  /// - Returns: nil if it cannot be decoded. That is no reason to lose the picture.
  private func decoded(_ denoising: Denoising, of job: JobAtWork) -> PreviewReport.Content? {
    guard let operations = denoising.plan.previewOperations else { return nil }
    let begun = CheckpointPace.now
    do {
      guard let image = try job.renderer.decodedPreview(of: denoising) else { return nil }
      let seconds = CheckpointPace.now - begun
      // It counts even if the queue takes no preview now.
      previewCosts.note(seconds: seconds, of: operations)
      return .decoded(image, seconds: seconds, operations: operations)
    } catch {
      previewLog.warning(
        log,
        "job \(job.claimed.job.id): cannot decode a preview, which is made of the latents instead: \(error)",
        job.claimed.fields)
      return nil
    }
  }

  /// The tiny autoencoder for the previews of a model's pictures; nil: there is none, or it cannot be used.
  func previewDecoder(
    for model: DiffusionModel, _ claimed: ClaimedJob, _ pool: inout ModelPool
  ) -> PreviewDecoder? {
    if let own = PreviewDecoder(ownOf: model) { return own }
    do {
      return try pool.previewDecoder(for: model.family)
    } catch {
      previewLog.warning(
        log, "previews of \(model.family.rawValue) models are made of latents alone: \(error)", claimed.fields
      )
      return nil
    }
  }
}
