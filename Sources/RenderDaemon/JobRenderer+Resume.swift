import Checkpoints
import Diffusion
import Foundation
import Images
import JobStore
import Logging
import Tensors

extension JobRenderer {
  /// Takes all steps of one picture, from its checkpoint if it has one, and gives the latents.
  /// - Throws: `Interruption.stopping` once the state at this step is kept for whoever goes on.
  func denoise(
    _ request: RenderRequest, index: Int, of claimed: ClaimedJob, from kept: Checkpoint?,
    with renderer: Renderer
  ) throws -> Denoising {
    var denoising = try renderer.begin(request) { _ in
      try report(claimed, index: index, .encoding, step: 0, steps: request.steps)
    }
    if case .step(_, let state, _) = kept, renderer.restore(&denoising, from: [UInt8](state), of: request) {
      log.info(
        "job \(claimed.job.id), image \(index): goes on at step \(denoising.step)", metadata: claimed.fields)
    }
    let first = denoising.step
    let begun = Date()
    var pace = CheckpointPace(steps: checkpointSteps, from: first)
    do {
      repeat {
        let done = denoising.step - first
        let perStep = done > 0 ? Date().timeIntervalSince(begun) / Double(done) : nil
        try report(
          claimed, index: index, .denoising, step: denoising.step, steps: denoising.steps,
          secondsPerStep: perStep)
        if pace.isDue(at: denoising.step) {
          try pace.measure(at: denoising.step) {
            try keep(renderer.checkpoint(denoising, of: request), denoising.step, index, claimed, renderer)
          }
        }
        lastStep.hold(
          LastStep.Held(denoising: denoising, request: request, renderer: renderer, index: index))
      } while try advance(&denoising, renderer)
      // Decoding may take as long as many steps.
      lastStep.hold(LastStep.Held(denoising: denoising, request: request, renderer: renderer, index: index))
      try report(claimed, index: index, .decoding, step: denoising.steps, steps: denoising.steps)
    } catch Interruption.stopping {
      if denoising.step > 0 {
        try keep(renderer.checkpoint(denoising, of: request), denoising.step, index, claimed, renderer)
      }
      throw Interruption.stopping
    }
    return denoising
  }

  private func advance(_ denoising: inout Denoising, _ renderer: Renderer) throws -> Bool {
    let begun = CheckpointPace.now
    guard try renderer.advance(&denoising) else { return false }
    metrics.step(seconds: CheckpointPace.now - begun)
    return true
  }

  /// The picture of an earlier attempt, if its file is whole under its final name and of these weights.
  func finished(_ kept: Checkpoint?, path: String, modelDigest: String) -> ImageRecord? {
    guard case .file(let image, modelDigest) = kept, image.path == path else { return nil }
    var digest = Digest()
    // No file, or one that can't be read: then it is rendered again.
    guard let reader = try? FileReader(path: path, purpose: "a picture"), reader.size == image.bytes,
      (try? digest.add(contentsOf: reader)) != nil, digest.hexadecimal() == image.digest
    else { return nil }
    return image
  }

  /// Gives a picture its final name. The queue knows of the file before it is there: whenever this
  /// process dies, somebody finds it or cleans it up.
  func publish(
    _ bytes: [UInt8], as image: ImageRecord, of claimed: ClaimedJob, steps: Int, modelDigest: String
  ) throws {
    lastStep.clear()
    do {
      try store.announce(image, step: steps, modelDigest: modelDigest, claimed.lease)
    } catch JobStoreError.leaseLost {
      throw Interruption.lost
    }
    try AtomicFile.write(bytes, to: image.path)
    metrics.image()
    do {
      try report(claimed, index: image.index, .done, step: steps, steps: steps)
    } catch Interruption.lost {
      // Taken away between the two: if the job is over by now, the file is nobody's.
      try store.disown(image, job: claimed.job.id, modelDigest: modelDigest)
      throw Interruption.lost
    }
  }

  private func keep(
    _ state: [UInt8], _ step: Int, _ index: Int, _ claimed: ClaimedJob, _ renderer: Renderer
  ) throws {
    do {
      try store.keep(
        Data(state), step: step, index: index, modelDigest: renderer.model.digest, claimed.lease)
    } catch JobStoreError.leaseLost {
      throw Interruption.lost
    } catch {
      // A checkpoint saves time, no more: without room for it the render still goes on.
      log.warning(
        "job \(claimed.job.id), image \(index): no checkpoint at step \(step): \(error)",
        metadata: claimed.fields)
    }
  }
}

extension ClaimedJob {
  /// What the log's lines about this job carry.
  var fields: Logger.Metadata { ["job": "\(job.id)", "batch": "\(job.batch)"] }
}
